#include "base/interrupt.h"

#include <signal.h>

#include "base/error.h"

namespace crossload {
namespace {

volatile sig_atomic_t g_signal = 0;

void note(int signal) { g_signal = signal; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void throw_if_interrupted() {
  if (g_signal != 0)
    fail(ErrorKind::kInterrupted, "crossload: interrupted by signal {}; nothing was written",
         static_cast<int>(g_signal));
}

}  // namespace crossload
