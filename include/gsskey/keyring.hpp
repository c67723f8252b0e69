// gsskey/keyring: the kernel's key service in one include: keys, rings, requests and their handlers. Needs libkeyutils,
// and no GSS library. Left out: keyring/ring_thread.hpp, which needs -pthread.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>                 // IWYU pragma: export
#include <gsskey/core/config.hpp>                // IWYU pragma: export
#include <gsskey/core/error.hpp>                 // IWYU pragma: export
#include <gsskey/core/expected.hpp>              // IWYU pragma: export
#include <gsskey/core/flag_set.hpp>              // IWYU pragma: export
#include <gsskey/core/seconds.hpp>               // IWYU pragma: export
#include <gsskey/core/unique_handle.hpp>         // IWYU pragma: export
#include <gsskey/keyring/asymmetric.hpp>         // IWYU pragma: export
#include <gsskey/keyring/capabilities.hpp>       // IWYU pragma: export
#include <gsskey/keyring/description.hpp>        // IWYU pragma: export
#include <gsskey/keyring/diagnosis.hpp>          // IWYU pragma: export
#include <gsskey/keyring/diffie_hellman.hpp>     // IWYU pragma: export
#include <gsskey/keyring/encrypted.hpp>          // IWYU pragma: export
#include <gsskey/keyring/handler/authority.hpp>  // IWYU pragma: export
#include <gsskey/keyring/handler/rule.hpp>       // IWYU pragma: export
#include <gsskey/keyring/handler/upcall.hpp>     // IWYU pragma: export
#include <gsskey/keyring/key.hpp>                // IWYU pragma: export
#include <gsskey/keyring/key_list.hpp>           // IWYU pragma: export
#include <gsskey/keyring/key_type.hpp>           // IWYU pragma: export
#include <gsskey/keyring/keyring.hpp>            // IWYU pragma: export
#include <gsskey/keyring/permissions.hpp>        // IWYU pragma: export
#include <gsskey/keyring/possession.hpp>         // IWYU pragma: export
#include <gsskey/keyring/proc_keys.hpp>          // IWYU pragma: export
#include <gsskey/keyring/quota.hpp>              // IWYU pragma: export
#include <gsskey/keyring/request_key.hpp>        // IWYU pragma: export
#include <gsskey/keyring/ring.hpp>               // IWYU pragma: export
#include <gsskey/keyring/ring_owner.hpp>         // IWYU pragma: export
#include <gsskey/keyring/timeout.hpp>            // IWYU pragma: export
#include <gsskey/keyring/watch.hpp>              // IWYU pragma: export
