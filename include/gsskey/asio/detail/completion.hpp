// gsskey/asio/detail/completion: an operation in a fiber, for any completion token: its handler is called once.
// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// Whether who runs on `here` is already where a handler of `home` must be called.
template <class Home, class Here>
[[nodiscard]] inline bool is_at(const Home& home, const Here& here) noexcept {
  if constexpr (std::is_convertible_v<const Here&, Home>) {
    return home == static_cast<Home>(here);
  } else {
    return false;
  }
}

/// A call of a handler that waits to be run, once.
template <class Handler, class Value>
struct LastCall {
  std::optional<Handler> handler{};
  std::optional<Value> value{};

  void operator()() {
    auto last = *std::exchange(handler, std::nullopt);
    std::move(last)(*std::move(value));
  }
};

/// Calls `handler` on `home`; in place, if there is no memory to go there.
template <class Home, class Handler, class Value>
inline void call_on(const Home& home, Handler handler, Value value) {
  std::shared_ptr<LastCall<Handler, Value>> last;
  try {
    last = std::make_shared<LastCall<Handler, Value>>();
  } catch (const std::bad_alloc&) {
    std::move(handler)(std::move(value));
    return;
  }
  last->handler.emplace(std::move(handler));
  last->value.emplace(std::move(value));
  try {
    asio::dispatch(home, [last] { (*last)(); });
    return;
  } catch (...) {
    if (!last->handler) throw;  // its own
  }
  (*last)();
}

/// The task that `work.run(host)` makes, on `executor`, and then `handler`, which is taken over by the first resume()
/// and not before.
template <class Executor, class Work, class Handler>
[[nodiscard]] inline Fiber work_for_handler(Executor executor, Work work, Handler& handler) {
  Handler last{std::move(handler)};
  auto* const self = co_await ThisFiber{};
  FiberHost<Executor> host{self, std::move(executor)};
  const auto home = asio::get_associated_executor(last, host.executor);
  const bool is_home = is_at(home, host.executor);
  // The last work that ends stops a context which nobody runs yet: of ours, there is none before we run on it.
  std::optional<decltype(asio::make_work_guard(home))> guard;
  if (!is_home) guard.emplace(home);
  std::optional<typename Work::Outcome> outcome;
  try {
    host.cancellation = asio::cancellation_state{asio::get_associated_cancellation_slot(last)};
    auto moved = co_await moved_to(host, host.executor);
    static_cast<void>(moved);
    if (is_home) guard.emplace(home);
    auto ended = co_await work.run(host);
    outcome.emplace(std::move(ended));
  } catch (...) {
    outcome.emplace(unexpected(error_of(Work::operation, std::current_exception())));
  }
  asio::get_associated_cancellation_slot(last).clear();
  host.cancellation = {};
  if (is_home) {
    std::move(last)(*std::move(outcome));
  } else {
    call_on(home, std::move(last), *std::move(outcome));
  }
}

/// Begins work, for a handler. A token that needs an executor of its own, cancel_after() for its timer, takes that of
/// the work.
template <class Executor>
struct StartWork {
  using executor_type = Executor;
  Executor executor;

  [[nodiscard]] executor_type get_executor() const noexcept { return executor; }

  template <class Handler, class Work>
  void operator()(Handler handler, Work work) const {
    std::optional<Fiber> fiber;
    std::optional<Error> failed;
    try {
      fiber.emplace(work_for_handler(executor, std::move(work), handler));
    } catch (...) {
      failed.emplace(error_of(Work::operation, std::current_exception()));
    }
    if (fiber) {
      fiber->resume();
    } else {
      std::move(handler)(typename Work::Outcome{unexpected(*std::move(failed))});
    }
  }
};
template <class Executor>
StartWork(Executor) -> StartWork<Executor>;

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
