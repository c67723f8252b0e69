// tests/support/no_network: work in a thread that the kernel lets reach no network.
// SPDX-License-Identifier: MIT
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <future>
#include <iterator>
#include <stdexcept>

namespace support {

/// `work()` in a thread for which each call that makes, connects or writes to a socket is EPERM. What it throws passes
/// through.
template <class Work>
auto without_network(Work work) {
  const auto cut_off = [&] {
    constexpr auto refuse = static_cast<unsigned short>(BPF_JMP | BPF_JEQ | BPF_K);
    sock_filter program[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {refuse, 4, 0, __NR_socket},
        {refuse, 3, 0, __NR_connect},
        {refuse, 2, 0, __NR_sendto},
        {refuse, 1, 0, __NR_sendmsg},
        {refuse, 0, 1, __NR_sendmmsg},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
        ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM) {
      throw std::runtime_error{"the kernel filters no calls"};
    }
    return work();
  };
  return std::async(std::launch::async, cut_off).get();
}

}  // namespace support
