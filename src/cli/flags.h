// The commands and their flags, bound to the options that they fill.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace crossload::cli {

/// A command of `crossload`, and what does it: returns the exit code, throws Error.
struct Command {
  CLI::App* parsed;
  int (*run)(Options&);
};

/// Adds all commands to `app`; parsing then fills `options`, which must outlive it.
std::vector<Command> add_commands(CLI::App& app, Options& options);

}  // namespace crossload::cli
