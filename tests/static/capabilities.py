#!/usr/bin/env python3
"""Proves the table of capabilities in gss/platform/select.hpp by linking: a declared function may still not be exported.
gss/loaded.hpp, which asks for the same functions at run time, has to know all of them.

Usage: capabilities.py COMPILER ARG... -- LINK_ARG...
"""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path

# capability: the function that it stands for
FUNCTIONS = {
    'context_options': 'gss_inquire_sec_context_by_oid',
    'credential_export': 'gss_export_cred',
    'credential_options': 'gss_set_cred_option',
    'credential_store': 'gss_acquire_cred_from',
    'impersonation': 'gss_acquire_cred_impersonate_name',
    'iov': 'gss_wrap_iov',
    'kdc_exchange': 'krb5_tkt_creds_step',
    'krb5_extensions': 'gss_krb5_export_lucid_sec_context',
    'local_names': 'gss_localname',
    'mechanism_attributes': 'gss_inquire_attrs_for_mech',
    'mic_iov': 'gss_get_mic_iov',
    'name_attributes': 'gss_get_name_attribute',
    'neg_mechs': 'gss_set_neg_mechs',
    'password': 'gss_acquire_cred_with_password',
    'pseudo_random': 'gss_pseudo_random',
    'sasl_ssf': 'GSS_C_SEC_CONTEXT_SASL_SSF',
    'store_credential': 'gss_store_cred',
    'store_into': 'gss_store_cred_into',
    'str_to_oid': 'gss_str_to_oid',
}


def builds(compiler, source, link_args):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'main.cpp')
        path.write_text(source)
        command = [*compiler, str(path), '-o', str(Path(folder, 'main')), *link_args]
        return subprocess.run(command, capture_output=True, text=True)


def links(compiler, function, link_args):
    source = f'extern "C" int {function}();\nint main() {{ return {function}() != 0; }}\n'
    return builds(compiler, source, link_args).returncode == 0


def main():
    split = sys.argv.index('--')
    compiler, link_args = sys.argv[1:split], sys.argv[split + 1:]
    if not links(compiler, 'gss_init_sec_context', link_args) or links(compiler, 'gss_no_such_function', link_args):
        sys.exit('the link test itself does not tell present from missing')
    loaded = Path(__file__).parents[2].joinpath('include/gsskey/gss/loaded.hpp').read_text()
    forgotten = [name for name, function in FUNCTIONS.items()
                 if f'{{&Capabilities::{name}, "{function}"}}' not in loaded and f'found.{name} = ' not in loaded]
    print(f'gss/loaded.hpp has forgotten: {forgotten}')
    failures = len(forgotten)
    for capability, function in FUNCTIONS.items():
        present = links(compiler, function, link_args)
        claim = f'static_assert(gsskey::capabilities.{capability} == {str(present).lower()});\n'
        result = builds(compiler, f'#include <gsskey/gss/platform/select.hpp>\n{claim}int main() {{}}\n', link_args)
        print(f'{capability}: {function} {"links" if present else "does not link"}')
        if result.returncode != 0:
            print(result.stderr)
            failures += 1
    sys.exit(failures != 0)


main()
