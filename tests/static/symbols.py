#!/usr/bin/env python3
"""Every function that the GSS library exports, and the call of ours that reaches it, or why there is none.

Usage: symbols.py IMPLEMENTATION INCLUDE_FOLDER PAGE COMPILER -- LINK_ARG...
       symbols.py                                       prints the table that PAGE has

Fails for an exported function without a line, for a line without a function, and for a line whose header makes no such
call or declares no such name; and where PAGE, the guide for those who come from C, has another table of them.
"""
# SPDX-License-Identifier: MIT
import re
import subprocess
import sys
from pathlib import Path

OLD = '- RFC 2744 section 5.1: an old name, kept for programs of GSS-API version 1'
INTERNAL = '- not declared in any installed header'
OWN_OIDS = '- Oid and OidSet hold their own bytes'
ONE_MECHANISM = "- adds a mechanism for an initiator, whose Credential is of the one that it will use: SPNEGO sees no others"
LIBRARY_SETTING = "- a setting of the library's own, for krb5.conf to make"
HEIMDAL_KEY = "- a krb5_keyblock of a context: export_lucid() of krb5/lucid.hpp has the keys"

# 'header: name in it', or '- reason'
BOTH = {
    'gss_accept_sec_context': 'gss/handshake.hpp: Acceptor',
    'gss_acquire_cred': 'gss/credential.hpp: acquire',
    'gss_acquire_cred_with_password': 'gss/credential.hpp: acquire_with_password',
    'gss_add_buffer_set_member': '- a BufferSet is what a library gives, never what it takes',
    'gss_add_cred': 'gss/credential/add.hpp: add_credential',
    'gss_add_cred_with_password': ONE_MECHANISM,
    'gss_add_oid_set_member': OWN_OIDS,
    'gss_authorize_localname': 'gss/name/local.hpp: may_act_as',
    'gss_canonicalize_name': 'gss/name.hpp: canonicalize',
    'gss_compare_name': 'gss/name.hpp: equals',
    'gss_context_time': 'gss/security_context.hpp: lifetime',
    'gss_create_empty_buffer_set': '- a BufferSet is what a library gives, never what it takes',
    'gss_create_empty_oid_set': OWN_OIDS,
    'gss_decapsulate_token': '- gss/detail/token_framing.hpp looks at framing without a copy, before a library does',
    'gss_delete_name_attribute': 'gss/name/attributes.hpp: delete_name_attribute',
    'gss_delete_sec_context': 'gss/security_context.hpp: SecurityContext',
    'gss_display_mech_attr': 'gss/mechanism_inquiry.hpp: display_attribute',
    'gss_display_name': 'gss/name.hpp: display',
    'gss_display_name_ext': 'gss/name/attributes.hpp: display_name_as',
    'gss_display_status': 'gss/status.hpp: failed_call',
    'gss_duplicate_name': 'gss/name.hpp: duplicate',
    'gss_encapsulate_token': '- for those who implement a mechanism',
    'gss_export_cred': 'gss/credential/transfer.hpp: export_credential',
    'gss_export_name': 'gss/name.hpp: export_name',
    'gss_export_name_composite': 'gss/name/attributes.hpp: export_name_composite',
    'gss_export_sec_context': 'gss/context/export.hpp: export_context',
    'gss_get_mic': 'gss/security_context.hpp: get_mic',
    'gss_get_name_attribute': 'gss/name/attributes.hpp: name_attribute',
    'gss_import_cred': 'gss/credential/transfer.hpp: import_credential',
    'gss_import_name': 'gss/name.hpp: host_service',
    'gss_import_sec_context': 'gss/context/export.hpp: import_context',
    'gss_indicate_mechs': 'gss/mechanism_inquiry.hpp: indicate_mechanisms',
    'gss_indicate_mechs_by_attrs': 'gss/mechanism_inquiry.hpp: indicate_mechanisms_by',
    'gss_init_sec_context': 'gss/handshake.hpp: Initiator',
    'gss_inquire_attrs_for_mech': 'gss/mechanism_inquiry.hpp: attributes_of',
    'gss_inquire_context': 'gss/security_context.hpp: inquire',
    'gss_inquire_cred': 'gss/credential.hpp: inquire',
    'gss_inquire_cred_by_mech': 'gss/credential/options.hpp: inquire_use',
    'gss_inquire_cred_by_oid': 'gss/credential/options.hpp: inquire_credential',
    'gss_inquire_mech_for_saslname': 'gss/mechanism_inquiry.hpp: mechanism_for_sasl_name',
    'gss_inquire_mechs_for_name': 'gss/mechanism_inquiry.hpp: mechanisms_for',
    'gss_inquire_name': 'gss/name/attributes.hpp: inquire_name',
    'gss_inquire_names_for_mech': 'gss/mechanism_inquiry.hpp: name_types_of',
    'gss_inquire_saslname_for_mech': 'gss/mechanism_inquiry.hpp: sasl_name_of',
    'gss_inquire_sec_context_by_oid': 'gss/context/options.hpp: inquire_context_object',
    'gss_krb5_ccache_name': 'krb5/defaults.hpp: set_thread_cache',
    'gss_krb5_copy_ccache': 'krb5/credential.hpp: copy_to_cache',
    'gss_krb5_export_lucid_sec_context': 'krb5/lucid.hpp: export_lucid',
    'gss_krb5_free_lucid_sec_context': 'krb5/lucid.hpp: LucidContext',
    'gss_krb5_get_tkt_flags': 'krb5/ticket.hpp: ticket_flags',
    'gss_krb5_import_cred': 'krb5/credential.hpp: import_cache',
    'gss_krb5_set_allowable_enctypes': 'krb5/enctype.hpp: set_allowable_enctypes',
    'gss_localname': 'gss/name/local.hpp: local_name',
    'gss_oid_equal': OWN_OIDS,
    'gss_oid_to_str': OWN_OIDS,
    'gss_pname_to_uid': 'gss/name/local.hpp: local_uid',
    'gss_process_context_token': '- no implementation sends the tokens that it takes: RFC 2744 section 5.9 advises against them',
    'gss_pseudo_random': 'gss/context/prf.hpp: pseudo_random',
    'gss_release_buffer': 'gss/buffer.hpp: Buffer',
    'gss_release_buffer_set': 'gss/buffer_set.hpp: BufferSet',
    'gss_release_cred': 'gss/credential.hpp: Credential',
    'gss_release_iov_buffer': '- no piece of iov.hpp is allocated by the library',
    'gss_release_name': 'gss/name.hpp: Name',
    'gss_release_oid': OWN_OIDS,
    'gss_release_oid_set': 'gss/oid.hpp: OidSet',
    'gss_seal': OLD,
    'gss_set_cred_option': 'gss/credential/options.hpp: set_no_ci_flags',
    'gss_set_name_attribute': 'gss/name/attributes.hpp: set_name_attribute',
    'gss_set_sec_context_option': 'gss/context/options.hpp: set_context_option',
    'gss_sign': OLD,
    'gss_store_cred': 'gss/credential/transfer.hpp: store_credential',
    'gss_test_oid_set_member': OWN_OIDS,
    'gss_unseal': OLD,
    'gss_unwrap': 'gss/security_context.hpp: unwrap',
    'gss_unwrap_aead': 'gss/context/iov.hpp: unwrap_aead',
    'gss_unwrap_iov': 'gss/context/iov.hpp: unwrap_iov',
    'gss_userok': 'gss/name/local.hpp: may_act_as',
    'gss_verify': OLD,
    'gss_verify_mic': 'gss/security_context.hpp: verify_mic',
    'gss_wrap': 'gss/security_context.hpp: wrap',
    'gss_wrap_aead': 'gss/context/iov.hpp: wrap_aead',
    'gss_wrap_iov': 'gss/context/iov.hpp: wrap_iov',
    'gss_wrap_iov_length': 'gss/context/iov.hpp: wrap_iov_length',
    'gss_wrap_size_limit': 'gss/security_context.hpp: wrap_size_limit',
    'gsskrb5_extract_authtime_from_sec_context': 'krb5/ticket.hpp: authentication_time',
    'gsskrb5_extract_authz_data_from_sec_context': 'krb5/ticket.hpp: authorization_data',
    'krb5_gss_register_acceptor_identity': 'krb5/defaults.hpp: set_process_keytab',
}
ONLY = {
    'mit': {
        'gss_acquire_cred_from': 'gss/credential.hpp: acquire_from',
        'gss_acquire_cred_impersonate_name': 'gss/credential/impersonation.hpp: impersonate',
        'gss_add_cred_from': 'gss/credential/add.hpp: add_credential',
        'gss_add_cred_impersonate_name': ONE_MECHANISM,
        'gss_complete_auth_token': '- a call of SSPI that none of its mechanisms implements',
        'gss_get_mic_iov': 'gss/context/iov.hpp: get_mic_iov',
        'gss_get_mic_iov_length': 'gss/context/iov.hpp: get_mic_iov_length',
        'gss_krb5_set_cred_rcache': '- takes a krb5_rcache, which no public call makes: see CredentialStore',
        'gss_krb5int_make_seal_token_v3': INTERNAL,
        'gss_krb5int_unseal_token_v3': INTERNAL,
        'gss_map_name_to_any': '- of a draft before RFC 6680, to pointers of unknown type; no mechanism maps any',
        'gss_release_any_name_mapping': '- frees what gss_map_name_to_any gave',
        'gss_set_neg_mechs': 'gss/credential.hpp: limit_offer',
        'gss_store_cred_into': 'gss/credential/transfer.hpp: store_credential_into',
        'gss_str_to_oid': OWN_OIDS,
        'gss_verify_mic_iov': 'gss/context/iov.hpp: verify_mic_iov',
        'gssint_g_seqstate_init': INTERNAL,
        'gssspi_mech_invoke': '- for those who implement a mechanism',
        'gssspi_set_cred_option': '- the old name of gss_set_cred_option',
        'krb5_gss_use_kdc_context': "- for programs within the KDC; declared in no installed header",
    },
    'heimdal': {
        '_gssapi_wrap_size_cfx': INTERNAL,
        '_gsskrb5cfx_wrap_length_cfx': INTERNAL,
        'gss_context_query_attributes': '- a call of SSPI: wrap_iov_length() has the sizes',
        'gss_duplicate_oid': OWN_OIDS,
        'gss_mg_collect_error': INTERNAL,
        'gss_mo_get': "- options of mechanisms, which Heimdal's own have none of that RFC 5587's attributes do not say",
        'gss_mo_list': '- see gss_mo_get',
        'gss_mo_name': '- see gss_mo_get',
        'gss_mo_set': '- see gss_mo_get',
        'gss_name_to_oid': OWN_OIDS,
        'gss_oid_to_name': OWN_OIDS,
        'gsskrb5_extract_service_keyblock': "- the acceptor's long-term key, which no user of a context needs",
        'gsskrb5_get_initiator_subkey': HEIMDAL_KEY,
        'gsskrb5_get_subkey': HEIMDAL_KEY,
        'gsskrb5_get_time_offset': LIBRARY_SETTING,
        'gsskrb5_register_acceptor_identity': '- another name of krb5_gss_register_acceptor_identity',
        'gsskrb5_set_default_realm': LIBRARY_SETTING,
        'gsskrb5_set_dns_canonicalize': LIBRARY_SETTING,
        'gsskrb5_set_send_to_kdc': '- deprecated, and answers failure only',
        'gsskrb5_set_time_offset': LIBRARY_SETTING,
    },
}


def library(compiler, link_args):
    """The GSS library among link_args, as the linker would find it."""
    name = next(arg[2:] for arg in link_args if arg.startswith('-lgss'))
    for folder in (arg[2:] for arg in link_args if arg.startswith('-L')):
        if Path(folder, f'lib{name}.so').exists():
            return Path(folder, f'lib{name}.so')
    command = [*compiler, f'-print-file-name=lib{name}.so']
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def exported(path):
    command = ['nm', '--dynamic', '--defined-only', str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {fields[2].split('@')[0] for fields in map(str.split, lines) if len(fields) == 3 and fields[1] == 'T'}


def complaint(include, function, line):
    """What is wrong with a line that names a call of ours, or None."""
    header, name = line.split(': ')
    path = include / 'gsskey' / header
    if not path.exists():
        return f'{header} does not exist'
    # Without comments, texts, using-declarations and what stands in for a function that another implementation lacks.
    code = re.sub(r'//.*|"[^"]*"|using ::\w+;|\bOM_uint32 \w+\(', '', path.read_text())
    if not re.search(rf'\b{function}\b', code):
        return f'{header} does not call it'
    if not re.search(rf'\b{name}\b', code):
        return f'{header} has no {name}'
    return None


def page_table():
    """A row for each header: the calls, and the names for them."""
    rows = {}
    for function, line in sorted((BOTH | ONLY['mit'] | ONLY['heimdal']).items()):
        if not line.startswith('- '):
            header, name = line.split(': ')
            rows.setdefault(header, {}).setdefault(name, []).append(f'`{function}`')
    lines = ['| header | C call → name here |', '|---|---|']
    for header, names in sorted(rows.items()):
        calls = '; '.join(f'{", ".join(functions)} → `{name}`' for name, functions in names.items())
        lines.append(f'| [{header}](../../include/gsskey/{header}) | {calls} |')
    return '\n'.join(lines) + '\n'


def main():
    if len(sys.argv) == 1:
        print(page_table(), end='')
        return
    implementation, include, page = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    split = sys.argv.index('--')
    path = library(sys.argv[4:split], sys.argv[split + 1:])
    table = BOTH | ONLY[implementation]
    functions = exported(path)
    failures = [f'{function}: exported, but without a line here' for function in functions - table.keys()]
    failures += [f'{function}: a line here, but not exported' for function in table.keys() - functions]
    left_out = 0
    for function, line in table.items():
        if line.startswith('- '):
            left_out += 1
        elif wrong := complaint(include, function, line):
            failures.append(f'{function}: {wrong}')
    if page_table() not in page.read_text(encoding='utf-8'):
        failures.append(f'{page} has another table: symbols.py without arguments prints it')
    print(f'{path}: {len(functions)} functions, {len(table) - left_out} by typed calls, {left_out} left out')
    print('\n'.join(sorted(failures)))
    sys.exit(bool(failures))


main()
