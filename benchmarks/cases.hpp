// benchmarks/cases: what is measured, and the tokens that it needs.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "operations.h"

/// One operation at one size.
struct Case {
  std::string name;
  void (*way::*run)(const work*);
  /// What the peer does first, once per turn, if anything.
  OM_uint32 (*make_token)(gss_ctx_id_t peer, gss_buffer_t message, gss_buffer_t token) = nullptr;
  std::size_t size = 0;
  std::size_t turns = 10;  ///< how often in a row
};

inline std::vector<Case> cases() {
  const auto wrap_token = [](gss_ctx_id_t peer, gss_buffer_t message, gss_buffer_t token) {
    OM_uint32 minor = 0;
    return gss_wrap(&minor, peer, 1, GSS_C_QOP_DEFAULT, message, nullptr, token);
  };
  const auto mic_token = [](gss_ctx_id_t peer, gss_buffer_t message, gss_buffer_t token) {
    OM_uint32 minor = 0;
    return gss_get_mic(&minor, peer, GSS_C_QOP_DEFAULT, message, token);
  };
  std::vector<Case> all{{"host_service name", &way::host_service, nullptr, 0, 50},
                        {"handshake", &way::handshake},
                        {"handshake, default credential", &way::handshake_default_credential}};
  for (const std::size_t size : {64u, 1024u, 16384u, 65536u}) {
    const std::string suffix =
        size < 1024 ? " " + std::to_string(size) + " B" : " " + std::to_string(size / 1024) + " KiB";
    const std::size_t turns = size < 16384 ? 50 : 10;
    all.push_back({"wrap" + suffix, &way::wrap, nullptr, size, turns});
    all.push_back({"unwrap" + suffix, &way::unwrap, wrap_token, size, turns});
    all.push_back({"get_mic" + suffix, &way::get_mic, nullptr, size, turns});
    all.push_back({"verify_mic" + suffix, &way::verify_mic, mic_token, size, turns});
  }
  return all;
}

/// The input of one run of a case. Tokens carry sequence numbers: they are made for one way and good once, in order.
class Input {
 public:
  Input(const Case& one, const way& by) : message_(one.size, 'm') {
    work_ = {{message_.size(), message_.data()}, nullptr, one.turns};
    if (one.make_token == nullptr) return;
    tokens_.resize(one.turns);
    for (auto& token : tokens_) {
      if (one.make_token(by.peer(), &work_.message, &token) != GSS_S_COMPLETE) std::abort();
    }
    work_.tokens = tokens_.data();
  }
  Input(const Input&) = delete;
  ~Input() {
    OM_uint32 minor = 0;
    for (auto& token : tokens_) gss_release_buffer(&minor, &token);
  }
  const work* get() const { return &work_; }

 private:
  std::string message_;
  std::vector<gss_buffer_desc> tokens_;
  work work_;
};

/// What benchmarks/run reads.
inline void report(const std::string& name, double ours, double reference) {
  std::printf("%s\t%.9g\t%.9g\n", name.c_str(), ours, reference);
  std::fflush(stdout);
}
