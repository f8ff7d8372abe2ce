#include "app/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "app/convert.h"
#include "app/interrupt.h"
#include "app/plain_text.h"
#include "app/progress.h"
#include "app/pt_to_tf.h"
#include "app/push.h"
#include "app/tf_judge.h"
#include "app/tokens.h"
#include "app/version.h"
#include "app/weights.h"
#include "base/error.h"
#include "lower/op_table.h"
#include "report/report.h"

namespace crossload::app {
namespace {

using nlohmann::json;

struct Options {
  ConvertRequest request;
  PushRequest push;
  WeightsRequest weights;
  PtToTfRequest pt_to_tf;
  std::string python;
  std::vector<std::string> formats = {"savedmodel"};
  bool no_verify = false;
  bool no_cache = false;
  bool is_static = false;
  bool as_json = false;
  bool quiet = false;
  bool verbose = false;
};

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

void add_common_flags(CLI::App& command, Options& o) {
  command.add_option("--python", o.python,
                     "interpreter for the Python side; default: the one beside this command, then python3");
  command.add_flag("--json", o.as_json, "one JSON document on standard output and nothing else");
  command.add_flag("-q,--quiet", o.quiet, "no progress");
  command.add_flag("-v,--verbose", o.verbose, "more: every stage and its operations");
}

void add_token_flag(CLI::App& command, std::string& token) {
  command.add_option("--token", token, "Hub token; default: HF_TOKEN, else the one that `hf auth login` stored");
}

void add_push_flags(CLI::App& command, PushRequest& p) {
  command.add_option("OUT", p.out, "the folder that `convert` made")->required();
  command.add_option("REPO", p.repository, "repository on the Hub, made when missing: owner/name, or a name of yours")
      ->required();
  command.add_flag("--pr", p.pull_request, "open a pull request instead of a commit");
  command.add_option("--message", p.message, "title of the commit or pull request");
  command.add_option("--revision", p.revision, "branch to commit to, or refs/pr/N");
  add_token_flag(command, p.token);
  command.add_flag("--offline", p.offline, "check the folder and show what would be sent; send nothing");
}

void add_weights_flags(CLI::App& command, WeightsRequest& w) {
  command
      .add_option("SRC", w.source, "a model folder, a Hub id, or a weight file or shard index beside its config.json")
      ->required();
  command.add_option("DST", w.target, "a folder, or a file that ends in .h5 or .safetensors")->required();
  command.add_option("--to", w.format, "h5 for TensorFlow, safetensors for PyTorch; default: what SRC is not")
      ->check(CLI::IsMember({"h5", "safetensors"}));
  command.add_option("--max-shard-size", w.max_shard_size, "more bytes than this go into several files with an index")
      ->capture_default_str();
  command.add_option("--dtype", w.dtype, "cast floats: float16, bfloat16, float32, float64; default: as they are");
  command.add_flag("--force", w.force, "replace weights that are in DST already");
  command.add_option("--revision", w.revision, "branch, tag or commit on the Hub");
  add_token_flag(command, w.token);
  command.add_flag("--offline", w.offline, "use only what is already on this machine");
}

void add_pt_to_tf_flags(CLI::App& command, PtToTfRequest& p) {
  command.add_option("--model-name", p.model.model, "the model on the Hub, or its folder")->required();
  command.add_option("--local-dir", p.local_dir,
                     "where the weights go, and the model is when it lies there; default: /tmp/MODEL_NAME");
  command
      .add_option("--max-error", p.max_error,
                  "largest difference of outputs and hidden states; raise it at your own risk")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--new-weights", p.new_weights, "make new TensorFlow weights although there are some");
  command.add_flag("--no-pr", p.no_pr, "open no pull request; with weights that are there this only compares them");
  command.add_flag("--push", p.push, "commit to `main` instead of a pull request");
  command.add_option("--extra-commit-description", p.extra_description,
                     "more text for the description, as to tag the owner");
  command.add_option("--override-model-class", p.model.model_class,
                     "class to convert, as BertForSequenceClassification, TFBertModel or an AutoModel class");
  command.add_option("--max-shard-size", p.max_shard_size, "more bytes than this go into several files with an index")
      ->capture_default_str();
  command.add_option("--dtype", p.dtype, "cast floats: float16, bfloat16, float32, float64; default: as they are");
  command.add_option("--revision", p.model.revision, "branch, tag or commit to read on the Hub");
  add_token_flag(command, p.model.token);
  command.add_flag("--trust-remote-code", p.model.trust_remote_code, "run model code that lies in the repository");
  command.add_flag("--offline", p.model.offline, "use only what is already on this machine; show what would be sent");
}

void add_model_flags(CLI::App& command, Options& o) {
  ModelRequest& m = o.request.model;
  command.add_option("MODEL", m.model, "a model folder, a Hub id, or a .pt2 file that torch.export wrote")->required();
  command.add_option("--class", m.model_class, "model class; default: the configuration's first architecture");
  command.add_option("--revision", m.revision, "branch, tag or commit on the Hub");
  add_token_flag(command, m.token);
  command.add_flag("--trust-remote-code", m.trust_remote_code, "run model code that lies in the repository");
  command.add_flag("--offline", m.offline, "use only what is already on this machine");
}

void add_sample_flags(CLI::App& command, Options& o) {
  ModelRequest& m = o.request.model;
  command.add_option("--inputs", m.inputs, "sample inputs, an .npz by input name")->check(CLI::ExistingFile);
  command.add_option("--text", m.text, "text for the sample inputs, through the model's own tokenizer");
  command.add_option("--max-error", o.request.max_error, "largest difference that an output may show")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--strict", o.request.strict, "count `within-noise` as a mismatch");
}

void add_trace_flags(CLI::App& command, Options& o) {
  ModelRequest& m = o.request.model;
  command.add_flag("--hidden-states", m.hidden_states, "give the hidden states as outputs, too");
  command.add_flag("--attentions", m.attentions, "give the attention weights as outputs, too");
  command.add_flag("--cache", m.cache, "give and take the key and value cache");
  command.add_flag("--static", o.is_static, "no dynamic axes");
  command.add_flag("--no-cache", o.no_cache, "trace anew, and keep no trace");
}

int finish(const report::Report& report, const Options& o) {
  if (o.as_json) {
    std::cout << report::to_json(report).dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
  } else {
    std::cout << report::to_terminal(report, {wants_color(STDOUT_FILENO), terminal_width(STDOUT_FILENO), o.verbose});
    std::cout.flush();
  }
  return report.result.verdict == verify::Verdict::kMismatch ? 1 : 0;
}

void settle(Options& o) {
  o.request.verify = !o.no_verify;
  o.request.use_cache = !o.no_cache;
  o.request.model.dynamic = !o.is_static;
}

int run_convert(Options& o) {
  settle(o);
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const auto progress = [&](const std::string& stage, const std::string& text, double fraction) {
    line.show(stage, text, fraction);
  };
  const report::Report report = convert(o.request, environment, python, progress);
  line.clear();
  const int code = finish(report, o);
  if (!o.as_json) std::cout << o.request.out.string() << "/report.html\n";
  return code;
}

int run_verify(Options& o) {
  settle(o);
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const auto progress = [&](const std::string& stage, const std::string& text, double fraction) {
    line.show(stage, text, fraction);
  };
  const report::Report report = verify_again(o.request, environment, python, progress);
  line.clear();
  return finish(report, o);
}

int run_check(Options& o) {
  settle(o);
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const auto progress = [&](const std::string& stage, const std::string& text, double fraction) {
    line.show(stage, text, fraction);
  };
  const json found = check_model(o.request.model, environment, python, progress);
  line.clear();
  if (o.as_json) {
    std::cout << found.dump(2) << std::endl;
    return 0;
  }
  const auto print = [&](const char* label, const std::string& value) {
    if (!value.empty()) std::cout << fmt::format("{:<16}{}\n", label, value);
  };
  print("model", found.value("model", ""));
  print("model type", found.value("model_type", ""));
  print("class", found.value("class", ""));
  print("route", fmt::format("{} ({})", found.value("route", ""), found.value("why", "")));
  print("TF weights", found.value("tf_weights", std::vector<std::string>{}).empty()
                          ? "none"
                          : fmt::format("{}", fmt::join(found.value("tf_weights", std::vector<std::string>{}), ", ")));
  print("size", fmt::format("{:.1f} MB of weights", found.value("weight_bytes", 0.0) / 1e6));
  const auto missing = found.value("missing_ops", json::array());
  print("operations", missing.empty() ? "all supported" : fmt::format("{} missing", missing.size()));
  for (const auto& op : missing)
    std::cout << fmt::format("{:<16}{} ({} uses)\n", "", op.at("op").get<std::string>(), op.at("uses").get<int>());
  for (const auto& link : found.value("links", std::vector<std::string>{})) print("look first", link);
  return 0;
}

int run_push(Options& o) {
  WorkerProcess python(find_python(o.python));
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json pushed = push(o.push, python, [&](const std::string& stage, const std::string& text, double fraction) {
    line.show(stage, text, fraction);
  });
  line.clear();
  if (o.as_json) {
    std::cout << pushed.dump(2) << std::endl;
  } else {
    std::cout << pushed_text(pushed, wants_color(STDOUT_FILENO));
    if (o.verbose || o.push.offline) std::cout << '\n' << pushed.value("description", "") << '\n';
  }
  return 0;
}

int run_weights(const Options& o) {
  ProgressLine line(ProgressLine::style_for(o.quiet));
  WeightsRequest request = o.weights;
  if (may_be_hub_id(request.source)) {
    WorkerProcess python(find_python(o.python));
    request.source = fetch_weights(
        request, python,
        [&](const std::string& stage, const std::string& text, double fraction) { line.show(stage, text, fraction); });
  }
  const WeightsResult result = convert_weights(request, [&](uint64_t done, uint64_t all) {
    throw_if_interrupted();
    line.show_growth(
        "weights", fmt::format("{:.1f} of {:.1f} MB", static_cast<double>(done) / 1e6, static_cast<double>(all) / 1e6),
        static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(1, all)));
  });
  line.clear();
  if (o.as_json) {
    std::cout << to_json(result).dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
  } else {
    std::cout << to_text(result, o.verbose);
  }
  return 0;
}

int run_pt_to_tf(const Options& o) {
  PythonEnvironment environment = find_python(o.python);
  // The Hub and the SavedModel need Transformers 5, the TensorFlow classes 4: --python may name either.
  const PythonEnvironment judge = environment;
  if (has_tf_classes(environment)) environment = find_python("");
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json result = pt_to_tf(
      o.pt_to_tf, environment, judge, python,
      [&](const std::string& stage, const std::string& text, double fraction) { line.show(stage, text, fraction); });
  line.clear();
  if (o.as_json) {
    std::cout << result.dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
  } else {
    std::cout << pt_to_tf_text(result, wants_color(STDOUT_FILENO), o.verbose);
  }
  return 0;
}

int run_ops(const Options& o) {
  const auto entries = lower::OpTable::all().sorted();
  if (o.as_json) {
    json list = json::array();
    for (const auto* entry : entries)
      list.push_back({{"op", entry->schema.target}, {"family", entry->family}, {"schema", entry->schema.text}});
    std::cout << json{{"ops", list}}.dump(2) << std::endl;
    return 0;
  }
  for (const auto* entry : entries) std::cout << fmt::format("{:<14} {}\n", entry->family, entry->schema.text);
  std::cout << fmt::format("{} operations\n", entries.size());
  return 0;
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
  CLI::App app("crossload turns PyTorch models into TensorFlow, and proves the result stage by stage.");
  app.set_version_flag("--version", std::string("crossload ") + kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);

  CLI::App* convert_command = app.add_subcommand("convert", "PyTorch to TensorFlow, verified");
  add_model_flags(*convert_command, o);
  convert_command->add_option("OUT", o.request.out, "the folder to make")->required();
  add_sample_flags(*convert_command, o);
  add_trace_flags(*convert_command, o);
  convert_command->add_option("--formats", o.formats, "what to write, separated by commas: savedmodel")
      ->delimiter(',')
      ->check(CLI::IsMember({"savedmodel"}));
  convert_command->add_flag("--no-verify", o.no_verify, "skip the comparison");
  convert_command->add_flag("--force", o.request.force, "replace an OUT that holds something else");
  convert_command->add_flag("--frozen", o.request.frozen, "weights as constants of the graph");
  convert_command->add_flag("--jit", o.request.jit, "compile the functions with XLA");
  add_common_flags(*convert_command, o);

  CLI::App* verify_command = app.add_subcommand("verify", "compare again, stage by stage");
  add_model_flags(*verify_command, o);
  verify_command->add_option("OUT", o.request.out, "the folder that `convert` made")->required();
  add_sample_flags(*verify_command, o);
  add_trace_flags(*verify_command, o);
  add_common_flags(*verify_command, o);

  CLI::App* check_command = app.add_subcommand("check", "what exists, which route, what would be missing");
  add_model_flags(*check_command, o);
  add_common_flags(*check_command, o);

  CLI::App* weights_command =
      app.add_subcommand("weights", "weight files only, between PyTorch and TensorFlow; needs neither");
  add_weights_flags(*weights_command, o.weights);
  add_common_flags(*weights_command, o);

  CLI::App* pt_to_tf_command = app.add_subcommand(
      "pt-to-tf", "TensorFlow weights for a repository, compared, as a pull request; as Transformers had it");
  add_pt_to_tf_flags(*pt_to_tf_command, o.pt_to_tf);
  add_common_flags(*pt_to_tf_command, o);

  CLI::App* push_command = app.add_subcommand("push", "a converted folder to the Hub, as a commit or pull request");
  add_push_flags(*push_command, o.push);
  add_common_flags(*push_command, o);

  CLI::App* ops_command = app.add_subcommand("ops", "every supported ATen operation");
  add_common_flags(*ops_command, o);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    // What was parsed so far does not tell.
    const bool as_json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
    return report_error(bad_command_line(app, error, argc, argv), as_json);
  }

  try {
    catch_interrupts();
    if (*convert_command) return run_convert(o);
    if (*verify_command) return run_verify(o);
    if (*check_command) return run_check(o);
    if (*weights_command) return run_weights(o);
    if (*push_command) return run_push(o);
    if (*pt_to_tf_command) return run_pt_to_tf(o);
    return run_ops(o);
  } catch (const Error& error) {
    return report_error(error, o.as_json);
  } catch (const std::exception& error) {
    return report_error(
        Error(ErrorKind::kInternal, fmt::format("crossload: {}; this is a defect, please report it", error.what())),
        o.as_json);
  }
}

}  // namespace crossload::app
