// gsskey/asio/detail/asio: which Asio this is built with, standalone or Boost's, and what the headers here use of it.
// SPDX-License-Identifier: MIT
#pragma once

#include <exception>  // Asio 1.22 uses it and does not include it

// The build defines one of two macros; with neither it is the one that is there, standalone Asio where both are.
#if defined(GSSKEY_ASIO_STANDALONE) && defined(GSSKEY_ASIO_BOOST)
#error "gsskey: define GSSKEY_ASIO_STANDALONE or GSSKEY_ASIO_BOOST, not both"
#elif !defined(GSSKEY_ASIO_STANDALONE) && !defined(GSSKEY_ASIO_BOOST)
#if __has_include(<asio.hpp>)
#define GSSKEY_ASIO_STANDALONE 1
#elif __has_include(<boost/asio.hpp>)
#define GSSKEY_ASIO_BOOST 1
#else
#error "gsskey: needs standalone Asio (Debian: libasio-dev) or Boost.Asio (libboost1.81-dev)"
#endif
#endif

// The third inline namespace, of all that names a type of Asio: one program may have both.
#ifdef GSSKEY_ASIO_BOOST
#define GSSKEY_ASIO_ABI boost_asio
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION < 102600
#error "gsskey: needs Boost.Asio 1.26 at least, of Boost 1.81 (Debian: libboost1.81-dev)"
#endif
// IWYU pragma: begin_exports
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
// IWYU pragma: end_exports
#else
#define GSSKEY_ASIO_ABI standalone_asio
#include <asio/version.hpp>
#if ASIO_VERSION < 102200
#error "gsskey: needs standalone Asio 1.22 at least (Debian: libasio-dev)"
#endif
// IWYU pragma: begin_exports
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/compose.hpp>
#include <asio/detached.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/system_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
// IWYU pragma: end_exports
#endif

#include <gsskey/gss/platform/select.hpp>

/// Opens, within `namespace gsskey {`, the namespaces of the GSS implementation and of Asio; abi_tag as for GSSKEY_ABI.
#define GSSKEY_BEGIN_ASIO_ABI \
  GSSKEY_BEGIN_GSS_ABI        \
  inline namespace GSSKEY_ASIO_ABI __attribute__((abi_tag)) {
#define GSSKEY_END_ASIO_ABI \
  }                         \
  GSSKEY_END_GSS_ABI

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

#ifdef GSSKEY_ASIO_BOOST
namespace asio = ::boost::asio;
using AsioErrorCode = ::boost::system::error_code;
using AsioSystemError = ::boost::system::system_error;
#else
namespace asio = ::asio;
using AsioErrorCode = ::asio::error_code;
using AsioSystemError = ::asio::system_error;
#endif

GSSKEY_END_ASIO_ABI
}  // namespace gsskey
