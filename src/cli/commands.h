// What each command does once its flags are read: the job of `app`, its progress, and its result for people or
// programs.
#pragma once

#include "cli/options.h"

namespace crossload::cli {

// Each returns the exit code of a job that came to its end, and throws Error for others.
int run_convert(Options& options);
int run_verify(Options& options);
int run_check(Options& options);
int run_weights(Options& options);
int run_pt_to_tf(Options& options);
int run_port(Options& options);
int run_push(Options& options);
int run_ops(Options& options);

}  // namespace crossload::cli
