#!/usr/bin/env python3
"""What becomes of each owner in a program that runs for years: for each event a test case, or the reason why there is none.

owners.py INCLUDE_DIR TESTS_DIR    prints classes without a place, and cells without a test case or a reason; exits with 1
                                   if there is one. With --table: prints the table.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

from moved_from import public_classes

# What holds a handle, a key or a place in a protocol while the world changes around it.
OWNERS = """SecurityContext ExpiringContext MessageProtector Initiator Acceptor Credential RenewingCredential CredentialCache
ParkedContext Key Keyring RingThread KeyRequest HttpInitiator HttpAcceptor HttpSessions RecordLayer SecureFdStream IncomingFrame
Client Server TestRealm TicketCache AsyncRenewingCredential""".split()
# Bytes and names that were copied, views, and what lives for a call or is made of the owners above.
VALUES = """Answer ByteView SecretBytes Error FlagSet Seconds UniqueHandle Buffer BufferSet ChannelBindings Peer ContextDemand
CredentialLease CredentialRef Name MechName Oid OidSet SealKey PublicKey KeyInfo EncryptedPayload EncryptedUpdate TrustedPayload
Destination Authority KeyOperations RingOperations KeyList Description Permissions ProcKeys Timeout KeyWatch LucidContext Pac
Principal SidBytes Sid BatchThreads MessageBatch MessageLanes MessageToken MessageMic MechanismList AdvisedError AsioTransport OffloadTo
SecureStream FdStream FramedTransport CoFramedTransport Task InitialTicket ServiceTicket RenewedTicket ImpersonatedTicket
KdcList TicketLease Prefetch""".split()

CHILDREN = "scenarios/children: "
CLOCKS = "scenarios/clocks: "
HAS_TICKETS = "as its Credential"
NO_TICKET = "holds neither ticket nor keytab"

# Each event: {the test case: the owners that it is about} and {the reason: the owners that need none}.
EVENTS = {
    "forked between its calls": ({
        CHILDREN + "of a context that two processes have, one message of two": "SecurityContext ExpiringContext MessageProtector",
        CHILDREN + "a handshake that began before the fork ends in the child": "Initiator Acceptor",
        CHILDREN + "a login by SASL that began before the fork": "Client Server",
        CHILDREN + "a login by HTTP that began before the fork": "HttpInitiator HttpAcceptor",
        CHILDREN + "a stream that two processes have": "RecordLayer SecureFdStream",
        CHILDREN + "of a frame that was begun before the fork": "IncomingFrame",
        CHILDREN + "credentials are used and released by children": "Credential",
        "gss/credential/renewing: a child does not touch its parent's credential": "RenewingCredential",
        "handoff/credential_cache: a forked child that drops its copy": "CredentialCache",
        "handoff/parked_context: a forked child that drops its copy": "ParkedContext",
        "scenarios/keyring/threads: a forked child does not destroy its parent's keys": "Key Keyring",
        "keyring/ring_thread: where there is no thread to run on": "RingThread",
        "keyring/handler/upcall: a child that a handler forks does not answer": "KeyRequest",
        "http/session: workers share the sessions": "HttpSessions",
        "testing/test_realm: a forked child leaves the realm alone": "TestRealm",
        "asio/renewing: a child that is forked while a login is under way": "AsyncRenewingCredential",
    }, {
        HAS_TICKETS: "TicketCache",
    }),
    "forked while another thread is in a call": ({
        CHILDREN + "what a thread has locked in the library at the fork": "Credential",
        CHILDREN + "a MessageProtector works in children": "MessageProtector RecordLayer SecureFdStream",
        "gss/credential/renewing: a child that is forked while a thread acquires": "RenewingCredential",
        "scenarios/keyring/threads: children that threads fork while others make keys": "Key Keyring",
        "keyring/ring_thread: a child that is forked while a RingThread works": "RingThread",
    }, {
        "keeps nothing in the process": "HttpSessions",
        "one thread at a time, and no lock": "SecurityContext ExpiringContext ParkedContext IncomingFrame KeyRequest TestRealm"
        " AsyncRenewingCredential",
        HAS_TICKETS: "TicketCache Initiator Acceptor CredentialCache HttpInitiator HttpAcceptor Client Server",
    }),
    "another program executed": ({
        CHILDREN + "programs that are started by exec inherit no file": "SecurityContext ExpiringContext MessageProtector"
        " Initiator Acceptor Credential RenewingCredential HttpInitiator HttpAcceptor Client Server",
        "scenarios/keyring/threads: programs that are started leave keys alone": "Key Keyring",
        "testing/test_realm: a KDC listens on loopback only and inherits nothing": "TestRealm",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        "memory, which ends": "RecordLayer SecureFdStream IncomingFrame",
        "the kernel takes its authority away": "KeyRequest",
        "keys, and no more of a process": "RingThread CredentialCache ParkedContext HttpSessions",
    }),
    "killed": ({
        CHILDREN + "what killed processes leave in files": "SecurityContext ExpiringContext MessageProtector Initiator"
        " Acceptor Credential RenewingCredential",
        CHILDREN + "a peer that is killed within a token": "HttpInitiator HttpAcceptor IncomingFrame Client Server",
        CHILDREN + "a peer that is killed within a packet": "RecordLayer SecureFdStream",
        "handoff/credential_cache: what a killed process leaves of a cache": "CredentialCache",
        "handoff/parked_context: at whichever step a process is killed that parks": "ParkedContext",
        "keyring/handler/upcall: a requester gets an errno, and never hangs": "KeyRequest",
        "testing/test_realm: nothing is left when the process is killed": "TestRealm",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        "stays as long as OnDestroy and its timeout say, which the kernel sees to": "Key Keyring HttpSessions",
        "the kernel takes a thread's ring with the thread": "RingThread",
    }),
    "the clock set, the machine asleep": ({
        CLOCKS + "contexts protect messages whatever the clock says": "SecurityContext",
        CLOCKS + "a stream goes on in the middle of a packet": "RecordLayer SecureFdStream",
        CLOCKS + "an ExpiringContext refuses": "ExpiringContext",
        CLOCKS + "a MessageProtector asks no clock": "MessageProtector",
        CLOCKS + "the clock is set between the tokens": "Initiator Acceptor",
        CLOCKS + "the clock is set within a login by HTTP or SASL": "HttpInitiator HttpAcceptor Client Server",
        CLOCKS + "a context that is parked cannot be claimed later": "ParkedContext",
        CLOCKS + "a cache in the kernel ends with its ticket": "CredentialCache",
        CLOCKS + "with a clock a day ahead handshakes are refused": "Credential",
        "gss/credential/renewing: a credential is due by either clock": "RenewingCredential",
        "http/session: where the clock was set back": "HttpSessions",
        "asio/renewing: a login is renewed before its end": "AsyncRenewingCredential",
    }, {
        HAS_TICKETS: "TicketCache",
        "asks no clock": "RingThread IncomingFrame KeyRequest TestRealm",
        "the kernel counts their timeouts by a clock that nobody sets": "Key Keyring",
    }),
    "the user changed": ({
        CHILDREN + "who becomes another user keeps contexts": "SecurityContext ExpiringContext MessageProtector Initiator"
        " Acceptor Credential RenewingCredential HttpInitiator HttpAcceptor RecordLayer SecureFdStream Client Server",
        "handoff/credential_cache: in another user's session a cache is refused": "CredentialCache",
        "handoff/parked_context: who became another user parks nothing": "ParkedContext",
        "keyring/possession: a session that belongs to another user": "Key Keyring",
        "keyring/handler/upcall: a handler becomes its requester": "KeyRequest",
        "http/session: sites and rings that are refused": "HttpSessions",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        "the kernel answers by what the process is then: possession tells": "RingThread",
        "memory": "IncomingFrame",
        "a test's, whose user stays": "TestRealm",
    }),
    "the key rotated at the KDC": ({
        "scenarios/rotated_key: a client whose tickets are its own": "RenewingCredential Credential Initiator",
        "scenarios/rotated_key: a client whose tickets are in a cache": "CredentialCache",
        "gss/credential/renewing: an acceptor's credential is acquired once, and serves old and new keys": "Acceptor"
        " HttpAcceptor Server",
        "testing/test_realm: export_keytab keeps the keys": "TestRealm",
        "asio/renewing: a login that is reported as stale": "AsyncRenewingCredential",
    }, {
        HAS_TICKETS: "TicketCache",
        "as its Initiator": "HttpInitiator Client",
        "a session's key is not the service's": "SecurityContext ExpiringContext MessageProtector ParkedContext HttpSessions"
        " RecordLayer SecureFdStream",
        NO_TICKET: "Key Keyring RingThread KeyRequest IncomingFrame",
    }),
    "keytab or cache replaced": ({
        "gss/credential/renewing: an acceptor's credential is acquired once, and serves old and new keys": "Acceptor"
        " HttpAcceptor Server RenewingCredential",
        CHILDREN + "whose cache is replaced by another user's": "Credential Initiator HttpInitiator Client",
        "handoff/credential_cache: whatever a sibling does to the keys of a cache": "CredentialCache",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        NO_TICKET: "SecurityContext ExpiringContext MessageProtector ParkedContext HttpSessions RecordLayer SecureFdStream Key"
        " Keyring RingThread KeyRequest IncomingFrame",
        "its files are its own": "TestRealm",
    }),
    "quota exhausted": ({
        "handoff/credential_cache: when the user's quota is used up": "CredentialCache",
        "handoff/parked_context: where the user's quota is used up": "ParkedContext",
        "keyring/quota: a full quota is waited for": "Key Keyring",
        "keyring/ring_thread: where the quota is used up a RingThread": "RingThread",
        "http/session: where the user's quota is used up": "HttpSessions",
        "keyring/handler/upcall: what does not fit into the requester's quota": "KeyRequest",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        "makes no key in the kernel": "SecurityContext ExpiringContext MessageProtector Initiator Acceptor Credential"
        " RenewingCredential HttpInitiator HttpAcceptor RecordLayer SecureFdStream IncomingFrame Client Server TestRealm",
    }),
    "started again, a thousand times": ({
        CHILDREN + "what killed processes leave in files": "SecurityContext ExpiringContext MessageProtector Initiator Acceptor"
        " Credential RenewingCredential HttpInitiator HttpAcceptor Client Server",
        "handoff/credential_cache: what killed processes leave of caches goes": "CredentialCache",
        "handoff/parked_context: what killed processes leave of parked contexts goes": "ParkedContext",
        "http/session: workers share the sessions": "HttpSessions",
        "testing/test_realm: nothing is left when the process is killed": "TestRealm",
    }, {
        HAS_TICKETS: "TicketCache AsyncRenewingCredential",
        "has neither file nor key that stays": "RecordLayer SecureFdStream IncomingFrame RingThread KeyRequest",
        "one of each name in a ring: a new one takes the old one's place": "Key Keyring",
    }),
}


def titles(test):
    """Of the test cases of a file: a literal may go on in the next line."""
    text = test.read_text(encoding="utf-8") if test.is_file() else ""
    cases = re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text)
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', case)) for case in cases]


def faults(include, tests, events, owners, values):
    for header in sorted(include.rglob("*.hpp")):
        if "detail" not in header.parts:
            for name in public_classes(header.read_text(encoding="utf-8")):
                if name not in owners and name not in values:
                    yield f"{header}: {name} is neither among the owners nor among the values"
    for event, (seen, reasons) in events.items():
        named = " ".join([*seen.values(), *reasons.values()]).split()
        for owner in {*owners, *named}:
            if named.count(owner) != 1 or owner not in owners:
                yield f"{event}: {owner} is there {named.count(owner)} times"
        for case in seen:
            file, title = case.split(": ", 1)
            if not any(known.startswith(title) for known in titles(tests / f"{file}.cpp")):
                yield f"{event}: no test case in {file}.cpp begins with '{title}'"


def table():
    for event, (seen, reasons) in EVENTS.items():
        print(f"{event}:")
        for what, owners in [*seen.items(), *reasons.items()]:
            print(f"  {', '.join(owners.split())}: {what}")


def main(include, tests, *options):
    if options:
        table()
    found = list(faults(Path(include), Path(tests), EVENTS, OWNERS, VALUES))
    print(*found, sep="\n", end="\n" if found else "")
    cells = [sum(len(owners.split()) for owners in part.values()) for event in EVENTS.values() for part in event]
    print(f"{len(OWNERS)} owners, {len(EVENTS)} events: {sum(cells[::2])} tested, {sum(cells[1::2])} with a reason; "
          f"{len(found)} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
