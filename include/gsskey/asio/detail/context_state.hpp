// gsskey/asio/detail/context_state: what the operations of an execution context have in common.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <mutex>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// Has one State for an execution context. One with `is_closed` is told, with its `mutex`, when the context begins to
/// go: what still refers to it then, on a pool or in a handler that is being destroyed, leaves the context alone.
template <class State>
class GSSKEY_HIDDEN StateService : public asio::execution_context::service {
 public:
  GSSKEY_HIDDEN inline static asio::execution_context::id id;
  explicit StateService(asio::execution_context& context)
      : asio::execution_context::service{context}, state_{std::make_shared<State>()} {}

  [[nodiscard]] const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  void shutdown() override {
    if constexpr (requires(State& state) { state.is_closed; }) {
      const std::lock_guard lock{state_->mutex};
      state_->is_closed = true;
    }
  }

  std::shared_ptr<State> state_;
};

template <class State, class Executor>
[[nodiscard]] inline std::shared_ptr<State> context_state(const Executor& executor) {
  return asio::use_service<StateService<State>>(asio::query(executor, asio::execution::context)).state();
}

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
