// examples/uring_task: examples/own_task with io_uring, by liburing.
//
//   uring_task [--seconds SECONDS] HOST PORT SERVICE MESSAGE...      one connection per message
//
// SPDX-License-Identifier: MIT
#include "job.hpp"
#include "uring_loop.hpp"

int main(int argc, char** argv) { return example::talk_all<example::UringLoop>("uring_task", argc, argv); }
