// A program of component mit-krb5 or heimdal-krb5: a cache of its own.
// SPDX-License-Identifier: MIT
#include <gsskey/krb5/ticket_cache.hpp>

int main() { return gsskey::TicketCache::in_memory() ? 0 : 1; }
