#include "cli/flags.h"

#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace crossload::cli {
namespace {

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

void add_push_flags(CLI::App& command, app::PushRequest& p) {
  command.add_option("OUT", p.out, "the folder that `convert` made")->required();
  command.add_option("REPO", p.repository, "repository on the Hub, made when missing: owner/name, or a name of yours")
      ->required();
  command.add_flag("--pr", p.pull_request, "open a pull request instead of a commit");
  command.add_option("--message", p.message, "title of the commit or pull request");
  command.add_option("--revision", p.revision, "branch to commit to, or refs/pr/N");
  add_token_flag(command, p.token);
  command.add_flag("--offline", p.offline, "check the folder and show what would be sent; send nothing");
}

void add_weights_flags(CLI::App& command, app::WeightsRequest& w) {
  command
      .add_option("SRC", w.source, "a model folder, a Hub id, or a weight file or shard index beside its config.json")
      ->required();
  command.add_option("DST", w.target, "a folder, or a file that ends in .h5 or .safetensors")->required();
  command.add_option("--to", w.format, "h5 for TensorFlow, safetensors for PyTorch; default: what SRC is not")
      ->check(CLI::IsMember({"h5", "safetensors"}));
  command.add_option("--max-shard-size", w.max_shard_size, "more bytes than this go into several files with an index")
      ->capture_default_str();
  command.add_option("--dtype", w.dtype, "cast floats: float16, bfloat16, float32, float64; default: as they are");
  command.add_flag("--allow-overflow", w.allow_overflow, "numbers too large for --dtype become infinite");
  command.add_flag("--force", w.force, "replace weights that are in DST already");
  command.add_option("--revision", w.revision, "branch, tag or commit on the Hub");
  add_token_flag(command, w.token);
  command.add_flag("--offline", w.offline, "use only what is already on this machine");
}

void add_pt_to_tf_flags(CLI::App& command, app::PtToTfRequest& p) {
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

void add_port_flags(CLI::App& command, app::PortRequest& p) {
  command.add_option("MODEL", p.model, "a model folder: config.json, and weights to compare with where it has them")
      ->required();
  command.add_option("DIR", p.folder, "where modeling_tf_<model_type>.py goes")->required();
  command.add_option("--for", p.home, "home of the source: transformers, or keras (Keras 3, without Transformers)")
      ->check(CLI::IsMember({"transformers", "keras"}))
      ->capture_default_str();
  command.add_option("--class", p.model_class, "class that must be among those written; default: whichever have rules");
  command.add_option("--into", p.checkout, "register there: a Transformers 4 checkout");
  command.add_flag("--dry-run", p.dry_run, "show what would be written; write nothing");
  command.add_flag("--weights-merged", p.weights_merged, "tests load TensorFlow weights instead of `from_pt=True`");
  command.add_option("--max-error", p.max_error, "largest difference that an output may show")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--no-verify", p.no_verify, "write without the comparison");
  command.add_flag("--force", p.force, "replace a file that differs from what is written now");
}

void add_model_flags(CLI::App& command, Options& o) {
  app::ModelRequest& m = o.request.model;
  command.add_option("MODEL", m.model, "a model folder, a Hub id, or a .pt2 file that torch.export wrote")->required();
  command.add_option("--class", m.model_class, "model class; default: the configuration's first architecture");
  command.add_option("--revision", m.revision, "branch, tag or commit on the Hub");
  add_token_flag(command, m.token);
  command.add_flag("--trust-remote-code", m.trust_remote_code, "run model code that lies in the repository");
  command.add_flag("--offline", m.offline, "use only what is already on this machine");
}

void add_sample_flags(CLI::App& command, Options& o) {
  app::ModelRequest& m = o.request.model;
  command.add_option("--inputs", m.inputs, "sample inputs, an .npz by input name")->check(CLI::ExistingFile);
  command.add_option("--text", m.text, "text for the sample inputs, through the model's own tokenizer");
  command.add_option("--max-error", o.request.max_error, "largest difference that an output may show")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--strict", o.request.strict, "count `within-noise` as a mismatch");
}

void add_trace_flags(CLI::App& command, Options& o) {
  app::ModelRequest& m = o.request.model;
  command.add_option("--dtype", m.dtype, "dtype of the weights: float32, float16, bfloat16; default: the checkpoint's")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  command.add_flag("--hidden-states", m.hidden_states, "give the hidden states as outputs, too");
  command.add_flag("--attentions", m.attentions, "give the attention weights as outputs, too");
  command.add_flag("--cache", m.cache, "give and take the key and value cache");
  command.add_flag("--static", o.is_static, "no dynamic axes");
  command.add_flag("--no-cache", o.no_cache, "trace anew, and keep no trace");
}

}  // namespace

std::vector<Command> add_commands(CLI::App& app, Options& o) {
  CLI::App* convert_command = app.add_subcommand("convert", "PyTorch to TensorFlow, verified");
  add_model_flags(*convert_command, o);
  convert_command->add_option("OUT", o.request.out, "the folder to make")->required();
  add_sample_flags(*convert_command, o);
  add_trace_flags(*convert_command, o);
  convert_command
      ->add_option("--formats", o.formats,
                   "what to write, separated by commas: savedmodel, keras (its source as well, as `port --for keras`)")
      ->delimiter(',')
      ->check(CLI::IsMember({"savedmodel", "keras"}));
  convert_command->add_flag("--no-verify", o.no_verify, "skip the comparison");
  convert_command->add_flag("--force", o.request.force, "replace an OUT that holds something else");
  convert_command->add_flag("--frozen", o.request.frozen, "weights as constants of the graph");
  convert_command->add_flag("--jit", o.request.jit, "compile the functions with XLA");
  add_common_flags(*convert_command, o);

  CLI::App* verify_command = app.add_subcommand("verify", "compare again, stage by stage");
  add_model_flags(*verify_command, o);
  verify_command->add_option("OUT", o.request.out,
                             "the folder that `convert` made; with --against: where the report goes, default nowhere");
  verify_command->add_option(
      "--against", o.against.target,
      "a TensorFlow model that somebody wrote, instead: FILE.py:Class, module:Class, or a SavedModel");
  verify_command->add_option("--map", o.against.map, "JSON: paths of its layers to paths of PyTorch modules")
      ->check(CLI::ExistingFile);
  add_sample_flags(*verify_command, o);
  add_trace_flags(*verify_command, o);
  verify_command->add_flag("--gradients", o.request.gradients,
                           "compare the gradient by each parameter as well, as fine-tuning needs it");
  verify_command
      ->add_option("--dump", o.dump,
                   "write one module's inputs and outputs, PyTorch's and TensorFlow's: STAGE FILE.npz")
      ->expected(2)
      ->type_name("STAGE FILE");
  verify_command
      ->add_option("--reproduce", o.reproduce,
                   "write a script that computes one module in both, and its tensors: STAGE DIR")
      ->expected(2)
      ->type_name("STAGE DIR");
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

  CLI::App* port_command = app.add_subcommand("port", "PyTorch classes to readable TensorFlow source, compared");
  add_port_flags(*port_command, o.port);
  add_common_flags(*port_command, o);

  CLI::App* push_command = app.add_subcommand("push", "a converted folder to the Hub, as a commit or pull request");
  add_push_flags(*push_command, o.push);
  add_common_flags(*push_command, o);

  CLI::App* ops_command = app.add_subcommand("ops", "every supported ATen operation");
  add_common_flags(*ops_command, o);

  return {{convert_command, run_convert},   {verify_command, run_verify},
          {check_command, run_check},       {weights_command, run_weights},
          {pt_to_tf_command, run_pt_to_tf}, {port_command, run_port},
          {push_command, run_push},         {ops_command, run_ops}};
}

}  // namespace crossload::cli
