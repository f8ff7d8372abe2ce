// Kills code at its n-th renaming system call, to see what it leaves.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <functional>

namespace crossload {

enum class Exchange { kWorks, kMissing };  // whether the file system can exchange two folders in one step

/// Runs `steps` in a child process that is killed as it enters its n-th rename. False when `steps` came to their end.
/// `Exchange::kMissing` makes renameat2 fail as where there is none; x86-64 only.
inline bool kill_at_rename(int n, const std::function<void()>& steps, Exchange exchange = Exchange::kWorks) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    steps();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int seen = 0;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) || WIFSIGNALED(status)) return false;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    const auto call = static_cast<long>(info.entry.nr);
    if (call == SYS_renameat2 && exchange == Exchange::kMissing) {
#ifdef __x86_64__
      ::ptrace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, orig_rax), -1L);  // fails with ENOSYS
#endif
      continue;
    }
    bool renames = call == SYS_renameat2 || call == SYS_renameat;
#ifdef SYS_rename
    renames = renames || call == SYS_rename;
#endif
    if (!renames || ++seen < n) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return true;
  }
}

}  // namespace crossload
