#!/usr/bin/env python3
"""secret_paths.py finds what it is for, and nothing else."""
# SPDX-License-Identifier: MIT
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import secret_paths

HEADER = """namespace gsskey::inline GSSKEY_ABI {
namespace some_detail {
struct Traits {
  static void close(Handle handle) noexcept { explicit_bzero(handle.data, handle.size); }
};
[[nodiscard]] Result<SecretBytes> hidden() noexcept;
}  // namespace some_detail
class Holder {
 public:
  [[nodiscard]] static Result<SecretBytes> give(ByteView token) noexcept { return SecretBytes::with_size(1); }
  [[nodiscard]] static Result<void> take(const Name& name, ByteView password) noexcept { return {}; }
  [[nodiscard]] Result<void> plain(ByteView token) noexcept { SecretBytes inside; return {}; }

 private:
  [[nodiscard]] static SecretBytes kept() noexcept;
  SecretBytes secret_;
};
class Wiper {
  UniqueHandle<some_detail::Traits> handle_;
};
struct Pair {
  SecretBytes key;
  int type;
};
class Plain {
  int number_ = 0;
};
template <class T>
[[nodiscard]] Result<SecretBytes> free_one(const T& from) noexcept {
  return from;
}
}  // namespace gsskey::inline GSSKEY_ABI
"""
NAMES = ["Holder", "Holder::give", "Holder::take", "Pair", "Wiper", "free_one"]
WHOLE = f'leaves("{", ".join(NAMES)}");'
CASES = [  # what is said to be no secret, the test, and what is missing or stale
    ({}, WHOLE, []),
    ({}, 'leaves("Holder, Holder::give, " "Pair, Wiper, free_one");', ["Holder::take"]),
    ({}, "// Holder Holder::give Holder::take Pair Wiper free_one", NAMES),
    ({}, WHOLE.replace("Holder,", "Holders,"), ["Holder"]),
    ({"Pair": "no secret"}, WHOLE.replace("Pair, ", ""), []),
    ({"Pair": "no secret"}, WHOLE, ["Pair"]),
    ({"Plain": "is not asked for"}, WHOLE, ["Plain"]),
]

failures = 0
with tempfile.TemporaryDirectory() as folder:
    include = Path(folder, "gsskey")
    Path(include, "gss", "detail").mkdir(parents=True)
    Path(include, "text").mkdir()
    Path(include, "gss", "some.hpp").write_text(HEADER, encoding="utf-8")
    for room in ("gss/detail", "text"):  # where it does not look
        Path(include, room, "other.hpp").write_text(HEADER.replace("Holder", "Other"), encoding="utf-8")
    test = Path(folder, "test.cpp")
    for secret_paths.NOT_SECRET, text, wanted in CASES:
        test.write_text(text, encoding="utf-8")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = secret_paths.main(include, test)
        found = sorted(line.split(": ")[-1].split()[0] for line in output.getvalue().splitlines()[:-1])
        if found != wanted or status != (1 if wanted else 0):
            failures += 1
            print(f"FAIL {text!r}: {found}, status {status}")
print(f"{len(CASES)} cases, {failures} failed")
sys.exit(1 if failures else 0)
