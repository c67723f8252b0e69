"""What GNU GSS needs: Shishi gives it tickets and keys, and takes the KDC on port 88 only."""
# SPDX-License-Identifier: MIT

import os
import random
import subprocess

from programs import enter_realm, skip, skip_without

USER, REALM = "alice", "GSSKEY.TEST"


def enter_realm_on_port_88(realm):
    """The KDC's address."""
    skip_without("shishi", "keytab2shishi")
    if os.geteuid() != 0:
        skip("only root may give the KDC port 88")
    # Not any other realm's address: krb5kdc shares ports without a word.
    kdc = os.environ.setdefault("GSSKEY_INTEROP_KDC", f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.88")
    enter_realm(realm, "--kdc", kdc + ":88")
    return kdc


def log_in(folder, kdc):
    """A ticket of the user and the keys of the keytab for Shishi; the environment that leads to them."""
    configuration = os.path.join(folder, "shishi.conf")
    with open(configuration, "w") as out:
        out.write(f"default-realm={REALM}\nrealm-kdc={REALM},{kdc}\nclient-kdc-etypes=aes256-cts-hmac-sha1-96\n")
    environment = {
        "HOME": folder, "SHISHI_HOME": folder, "SHISHI_USER": USER, "SHISHI_CONFIG": configuration,
        "SHISHI_KEYS": os.path.join(folder, "keys"), "SHISHI_TICKETS": os.path.join(folder, "tickets"),
    }
    os.environ.update(environment)
    keytab = os.environ["KRB5_KTNAME"].removeprefix("FILE:")
    subprocess.run(["keytab2shishi", keytab, environment["SHISHI_KEYS"]], check=True, capture_output=True)
    subprocess.run(["shishi", "--client-name", USER], input=b"secret\n", check=True, capture_output=True, timeout=30)
