// The native command: flags in, exit code out.
#pragma once

namespace crossload::cli {

/// Runs `crossload …`. Exit codes: 0 done · 1 mismatch · 2 bad use or bad input · 3 unsupported · 4 something missing
/// in the environment, or the network or the Hub failed · 130 interrupted. A token among the arguments is overwritten.
int run_command_line(int argc, char** argv);

}  // namespace crossload::cli
