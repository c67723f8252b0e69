// examples/own_task: drive() in a coroutine type and an event loop of one's own, without Asio: several clients of
// examples/co_echo_server at once in one thread.
//
//   own_task [--seconds SECONDS] HOST PORT SERVICE MESSAGE...      one connection per message
//
// SPDX-License-Identifier: MIT
#include "epoll_loop.hpp"
#include "job.hpp"

int main(int argc, char** argv) { return example::talk_all<example::EpollLoop>("own_task", argc, argv); }
