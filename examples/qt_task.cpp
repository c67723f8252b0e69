// examples/qt_task: drive() in QCoro's coroutine type on Qt's event loop: several clients of examples/co_echo_server at
// once in one thread.
//
//   qt_task [--seconds SECONDS] HOST PORT SERVICE MESSAGE...      one connection per message
//
// SPDX-License-Identifier: MIT
#include <qcoro6/qcoro/qcoroabstractsocket.h>
#include <qcoro6/qcoro/qcorofuture.h>
#include <qcoro6/qcoro/qcorosignal.h>
#include <qcoro6/qcoro/qcorotask.h>
#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QFuture>
#include <QTcpSocket>
#include <QtConcurrentRun>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

#include "talk.hpp"

using namespace gsskey;

namespace {

/// An AwaitableStream of a socket. After its deadline everything is ETIMEDOUT.
class QtStream {
 public:
  QtStream(QTcpSocket& socket, QDeadlineTimer deadline) : socket_{&socket}, deadline_{deadline} {}

  QCoro::Task<Result<void>> connect(QString host, quint16 port) {
    socket_->connectToHost(host, port);
    // waitForConnected() of QCoro 0.8 would wait on where the connection is refused.
    while (socket_->state() != QAbstractSocket::ConnectedState) {
      if (socket_->state() == QAbstractSocket::UnconnectedState || deadline_.hasExpired()) {
        co_return Result<void>{unexpected(failed("connectToHost"))};
      }
      const auto changed = co_await qCoro(socket_, &QAbstractSocket::stateChanged, left());
      static_cast<void>(changed);
    }
    socket_->setSocketOption(QAbstractSocket::LowDelayOption, 1);
    co_return Result<void>{};
  }
  QCoro::Task<Result<std::size_t>> async_write_some(ByteView header, ByteView body) {
    if (socket_->state() != QAbstractSocket::ConnectedState) {
      co_return Result<std::size_t>{unexpected(Error::transport("write", EPIPE))};
    }
    // Qt keeps a copy, and sends it when it can.
    for (const auto bytes : {header, body}) {
      if (socket_->write(reinterpret_cast<const char*>(bytes.data()), static_cast<qint64>(bytes.size())) < 0) {
        co_return Result<std::size_t>{unexpected(failed("write"))};
      }
    }
    co_return Result<std::size_t>{header.size() + body.size()};
  }
  QCoro::Task<Result<std::size_t>> async_read_some(void* data, std::size_t size) {
    while (socket_->bytesAvailable() == 0 && !deadline_.hasExpired()) {
      if (socket_->state() != QAbstractSocket::ConnectedState) co_return Result<std::size_t>{std::size_t{0}};
      const bool ready = co_await qCoro(*socket_).waitForReadyRead(left());
      static_cast<void>(ready);
    }
    const auto count = deadline_.hasExpired() ? -1 : socket_->read(static_cast<char*>(data), static_cast<qint64>(size));
    if (count < 0) co_return Result<std::size_t>{unexpected(failed("read"))};
    co_return Result<std::size_t>{static_cast<std::size_t>(count)};
  }

 private:
  [[nodiscard]] std::chrono::milliseconds left() const {
    return std::chrono::ceil<std::chrono::milliseconds>(deadline_.remainingTimeAsDuration());
  }
  [[nodiscard]] Error failed(const char* operation) const {
    if (deadline_.hasExpired()) return Error::transport(operation, ETIMEDOUT);
    return Error::transport(operation, EIO).with_text(socket_->errorString().toUtf8().constData());
  }

  QTcpSocket* socket_;
  QDeadlineTimer deadline_;
};

/// Runs steps of handshakes in threads of Qt's pool, for the first one may ask a KDC; the loop goes on meanwhile.
struct InPool {
  template <class Job, class Stepped = std::invoke_result_t<Job>>
  QCoro::Task<Stepped> operator()(Job job) const {
    std::optional<Stepped> stepped;
    auto work = [&] { stepped.emplace(job()); };
    const QFuture<void> done = QtConcurrent::run(work);
    co_await done;
    co_return *std::move(stepped);
  }
};

QCoro::Task<Result<void>> connection(const example::Talks& talks, std::string_view message) {
  QTcpSocket socket;
  QtStream stream{socket, QDeadlineTimer{talks.limit}};
  const Result<void> connected = co_await stream.connect(talks.host, QString{talks.port}.toUShort());
  if (!connected) co_return connected;
  auto talked = co_await example::talk<QCoro::Task>(stream, talks.service, talks.host, message, InPool{});
  co_return talked;
}

}  // namespace

int main(int argc, char** argv) try {
  const QCoreApplication application{argc, argv};
  const auto talks = example::Talks::of("qt_task", argc, argv);
  std::vector<QCoro::Task<Result<void>>> tasks;
  for (const auto message : talks.messages) tasks.push_back(connection(talks, message));
  std::vector<Result<void>> talked;
  for (auto& task : tasks) talked.push_back(QCoro::waitFor(task));  // all go on meanwhile
  return example::status_of("qt_task", talked);
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "qt_task: " << failure.what() << '\n';
  return 1;
}
