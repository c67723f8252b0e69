#!/usr/bin/env python3
"""Cyrus SASL's ends of exchanges, told on stdin what to do as sasl_peer.cpp is; SASL_PATH says whose plug-ins."""
# SPDX-License-Identifier: MIT

import base64
import ctypes
import sys

OK, CONTINUE, NO_MECHANISM = 0, 1, -4
CB_LIST_END, CB_USER, CB_AUTHNAME = 0, 0x4001, 0x4002
USERNAME, SSF, CHANNEL_BINDING, SEC_PROPS = 0, 1, 21, 101
CLIENT, SERVER = "client", "server"
SMALL_BUFFER, USUAL_BUFFER = 2048, 65536  # a small one where it is negotiated


class Callback(ctypes.Structure):
    _fields_ = [("id", ctypes.c_ulong), ("function", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class SecurityProperties(ctypes.Structure):
    _fields_ = [("min_ssf", ctypes.c_uint), ("max_ssf", ctypes.c_uint), ("max_buffer", ctypes.c_uint),
                ("flags", ctypes.c_uint), ("names", ctypes.c_void_p), ("values", ctypes.c_void_p)]


class ChannelBinding(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("critical", ctypes.c_int), ("size", ctypes.c_ulong), ("data", ctypes.c_char_p)]


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p),
                  ctypes.POINTER(ctypes.c_uint))
def name_for(_context, number, result, size):
    """GS2 asks whose ticket it is to take; and nobody acts as another."""
    result[0] = b"alice" if number == CB_AUTHNAME else b""
    if size:
        size[0] = len(result[0])
    return OK


library = ctypes.CDLL("libsasl2.so.2")
library.sasl_errdetail.restype = ctypes.c_char_p
callbacks = (Callback * 3)(*(Callback(number, ctypes.cast(name_for, ctypes.c_void_p)) for number in (CB_USER, CB_AUTHNAME)),
                           Callback(CB_LIST_END))


class Failed(Exception):
    pass


class End:
    bindings = b""  # of all that begin from now on; the hash of tls-server-end-point

    def __init__(self, role, mechanism, strength):
        self.role, self.mechanism, self.has_begun = role, mechanism.encode(), False
        self.handle = ctypes.c_void_p()
        names = [b"host", b"localhost"] + [None] * (2 if role == CLIENT else 3)
        new = library.sasl_client_new if role == CLIENT else library.sasl_server_new
        self.check(new(*names, callbacks, 0, ctypes.byref(self.handle)))
        buffer = SMALL_BUFFER if mechanism == "GSSAPI" else USUAL_BUFFER
        properties = SecurityProperties(min(strength, 2), strength, buffer)
        self.check(library.sasl_setprop(self.handle, SEC_PROPS, ctypes.byref(properties)))
        self.bound = ChannelBinding(b"tls-server-end-point", 0, len(self.bindings), self.bindings)
        if self.bindings:
            self.check(library.sasl_setprop(self.handle, CHANNEL_BINDING, ctypes.byref(self.bound)))

    def __del__(self):
        library.sasl_dispose(ctypes.byref(self.handle))

    def check(self, code):
        if code == NO_MECHANISM:
            raise Failed("no such mechanism")
        if code not in (OK, CONTINUE):
            raise Failed(library.sasl_errdetail(self.handle).decode(errors="replace"))
        return code

    def step(self, said):
        out, size, first = ctypes.c_char_p(), ctypes.c_uint(), not self.has_begun
        self.has_begun = True
        result = (ctypes.byref(out), ctypes.byref(size))
        given = (said, len(said or b""))
        if self.role == SERVER:
            code = library.sasl_server_start(self.handle, self.mechanism, *given, *result) if first else \
                library.sasl_server_step(self.handle, *given, *result)
        else:
            code = library.sasl_client_start(self.handle, self.mechanism, None, *result, None) if first else \
                library.sasl_client_step(self.handle, *given, None, *result)
        done = self.check(code) == OK
        nothing = not out and (done or first)
        return done, None if nothing else ctypes.string_at(out, size.value) if out else b""

    def property(self, number, kind):
        value = ctypes.c_void_p()
        self.check(library.sasl_getprop(self.handle, number, ctypes.byref(value)))
        return ctypes.cast(value, kind)

    def session(self):
        peer = self.property(USERNAME, ctypes.c_char_p).value.decode() if self.role == SERVER else "-"
        return f"session {self.property(SSF, ctypes.POINTER(ctypes.c_uint))[0]} {peer}"

    def through(self, function, given):
        out, size = ctypes.c_char_p(), ctypes.c_uint()
        self.check(function(self.handle, given, len(given), ctypes.byref(out), ctypes.byref(size)))
        return "bytes " + base64.b64encode(ctypes.string_at(out, size.value)).decode()


def obey(command, arguments, end):
    """The end that goes on, and the answer."""
    if command in (CLIENT, SERVER):
        return End(command, arguments[0], int(arguments[1])), "ready"
    if command == "session":
        return end, end.session()
    given = None if arguments[0] == "-" else base64.b64decode(arguments[0].removeprefix("="))
    if command == "bindings":
        End.bindings = given
        return end, "ready"
    if command == "step":
        done, said = end.step(given)
        return end, ("done " if done else "more ") + ("-" if said is None else base64.b64encode(said).decode() or "=")
    return end, end.through(library.sasl_encode if command == "seal" else library.sasl_decode, given)


if __name__ == "__main__":
    if library.sasl_client_init(callbacks) != OK or library.sasl_server_init(callbacks, b"gsskey") != OK:
        sys.exit("sasl_client_init, sasl_server_init")
    peer = None
    for line in sys.stdin:
        try:
            command, *arguments = line.split()
            peer, answer = obey(command, arguments, peer)
        except Failed as failure:
            answer = f"failed {failure}"
        print(answer, flush=True)
