#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/version.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "cli/flags.h"
#include "cli/plain_text.h"
#include "cli/tokens.h"

namespace crossload::cli {
namespace {

using nlohmann::json;

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kMismatch: return 1;
    case ErrorKind::kBadInput: return 2;
    case ErrorKind::kUnsupported: return 3;
    case ErrorKind::kEnvironment:
    case ErrorKind::kInternal: return 4;
    case ErrorKind::kInterrupted: return 130;
  }
  return 4;
}

int report_error(const Error& error, bool as_json) {
  std::vector<std::string> details;
  for (const std::string& detail : error.details()) details.push_back(without_tokens(detail));
  const std::string message = without_tokens(error.what());
  if (as_json) {
    const json document = {
        {"error", {{"kind", std::string(name_of(error.kind()))}, {"message", message}, {"details", details}}}};
    std::cout << document.dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
  }
  std::cerr << "error: " << plain_text(message) << '\n';
  for (const std::string& detail : details) std::cerr << "  " << plain_text(detail) << '\n';
  return exit_code_of(error.kind());
}

// The exit code, unless what was printed did not reach its place.
int written(int exit_code) {
  std::cout.flush();
  if (std::cout) return exit_code;
  std::cerr
      << "error: standard output: cannot be written, the device is full or closed; what the command made is there, "
         "its answer is not\n";
  return exit_code_of(ErrorKind::kEnvironment);
}

// CLI11's words in our form: lower case, no full stop, one line.
Error bad_command_line(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string seen = error.what();
  if (app.get_subcommands().empty()) {
    std::string first;
    for (int i = 1; i < argc && first.empty(); ++i) {
      if (argv[i][0] != '-') first = argv[i];
    }
    if (first.empty()) {
      seen = "no command given";
    } else if (app.get_subcommands([&](const CLI::App* command) { return command->get_name() == first; }).empty()) {
      seen = fmt::format("`{}` is no command", first);
    }
  }
  if (!seen.empty() && std::isupper(static_cast<unsigned char>(seen[0])) != 0 &&
      (seen.size() < 2 || std::isupper(static_cast<unsigned char>(seen[1])) == 0)) {
    seen[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(seen[0])));
  }
  while (!seen.empty() && (seen.back() == '.' || seen.back() == '\n')) seen.pop_back();
  return Error(ErrorKind::kBadInput, fmt::format("command line: {}; see `crossload --help`", seen));
}

}  // namespace

int run_command_line(int argc, char** shown) {
  std::vector<std::string> arguments(shown, shown + argc);
  hide_tokens(argc, shown);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  char** argv = pointers.data();

  Options o;
  CLI::App app("crossload turns PyTorch models into TensorFlow, and proves the result stage by stage.", "crossload");
  app.set_version_flag("--version", std::string("crossload ") + app::kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);

  const std::vector<Command> commands = add_commands(app, o);

  if (argc == 1) {
    std::cout << app.help();
    return exit_code_of(ErrorKind::kBadInput);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    // Parsing may have stopped before --json was seen.
    const bool as_json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
    return report_error(bad_command_line(app, error, argc, argv), as_json);
  }

  try {
    catch_interrupts();
    for (const Command& command : commands) {
      if (*command.parsed) return written(command.run(o));
    }
    internal_error("command line: no command was found in {} arguments", argc);
  } catch (const Error& error) {
    return report_error(error, o.as_json);
  } catch (const std::exception& error) {
    return report_error(
        Error(ErrorKind::kInternal, fmt::format("crossload: {}; this is a defect, please report it", error.what())),
        o.as_json);
  }
}

}  // namespace crossload::cli
