#!/usr/bin/python3
"""An HTTPS client that logs in with python3-gssapi, by its own hand what bindings are: for http_over_tls.py.

gssapi_client.py HOST PORT AUTHORITY good|wrong|absent
"""
# SPDX-License-Identifier: MIT

import base64
import hashlib
import http.client
import ssl
import sys

import gssapi
from gssapi.raw import ChannelBindings

host, port, authority, binding = sys.argv[1:]
connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=authority))
connection.connect()
certificate = connection.sock.getpeercert(binary_form=True)
digest = {"good": hashlib.sha256(certificate), "wrong": hashlib.sha256(b"another certificate"), "absent": None}[binding]
context = gssapi.SecurityContext(
    name=gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service), usage="initiate",
    mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"), flags=gssapi.RequirementFlag.mutual_authentication,
    channel_bindings=digest and ChannelBindings(application_data=b"tls-server-end-point:" + digest.digest()))
connection.request("GET", "/", headers={"Authorization": "Negotiate " + base64.b64encode(context.step()).decode()})
response = connection.getresponse()
challenge = response.getheader("WWW-Authenticate", "")
if response.status == 200:
    context.step(base64.b64decode(challenge.removeprefix("Negotiate ")))
print("complete", context.complete)
print("status", response.status)
print(response.read().decode(), end="")
