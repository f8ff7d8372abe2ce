// Ctrl-C and SIGTERM end the job as an error would: what was half written is removed.
#pragma once

namespace crossload {

/// From now on SIGINT and SIGTERM only set a flag. SIGPIPE is ignored.
void catch_interrupts();
/// Throws an Error of kind `kInterrupted` after such a signal. Long loops call it.
void throw_if_interrupted();

}  // namespace crossload
