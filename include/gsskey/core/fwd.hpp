// gsskey/core/fwd: declarations without definitions, for headers that only name our types.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/expected.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

class Answer;
class ByteView;
class Error;
class SecretBytes;
class Seconds;
template <class Enum>
class FlagSet;
template <class Traits>
class UniqueHandle;
template <class T>
using Result = expected<T, Error>;

GSSKEY_END_ABI
}  // namespace gsskey
