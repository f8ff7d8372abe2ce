#include "app/weights.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>

#include "app/companions.h"
#include "app/config_dtype.h"
#include "app/config_fit.h"
#include "app/weight_plan.h"
#include "base/error.h"
#include "base/output_files.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "checkpoint/other_form.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;
using Direction = WeightsResult::Direction;

namespace {

/// A checkpoint that is read here, or else by h5py, where there is one, and then here.
Checkpoint open_any_form(const fs::path& path, const WeightsRequest& request) try {
  return open_checkpoint(path);
} catch (const OtherForm& refused) {
  if (!request.python) throw;
  try {
    const ScratchFolder scratch;
    const json ask = {{"do", "plain_hdf5"}, {"file", fs::absolute(path).string()}, {"out", scratch.path().string()}};
    const json answer = request.python().ask(ask, [](auto&&...) {});
    return open_checkpoint(answer.at("file").get<std::string>());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    throw Error(refused.kind(), fmt::format("{}, or have h5py read it", refused.what()), {error.what()});
  }
}

SourceWeights open_source(const WeightsRequest& request) {
  const fs::path path = request.source;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    bad_input("{}: no such file or folder; give a model folder, a weight file or a Hub id", request.source);
  }
  if (!fs::is_directory(path)) return {path, fs::absolute(path).parent_path(), open_any_form(path, request)};
  const auto pt = find_weights(path, Framework::kPyTorch);
  const auto tf = find_weights(path, Framework::kTensorFlow);
  if (pt && tf && request.format.empty()) {
    bad_input("{}: holds weights of both frameworks, `{}` and `{}`; say which to make with --to, or give one file",
              path.string(), pt->filename().string(), tf->filename().string());
  }
  const bool wants_tf_source = request.format.empty() ? !pt : request.format == "safetensors";
  if (wants_tf_source && tf) return {*tf, path, open_any_form(*tf, request)};
  if (pt) return {*pt, path, open_checkpoint(*pt)};
  return {path, path, open_checkpoint(path)};  // says what is wrong
}

/// Refuses one shard of several.
void require_all_shards(const fs::path& path) {
  const std::string file = path.filename().string();
  const std::size_t of = file.rfind("-of-");
  if (of == file.npos || of < 5 || of + 9 > file.size()) return;
  const std::string part = file.substr(of - 5, 5), all = file.substr(of + 4, 5);
  if ((part + all).find_first_not_of("0123456789") != std::string::npos || all == "00001") return;
  bad_input("{}: is shard {} of {}; give the folder or the index, so that no weights are missing", path.string(), part,
            all);
}

/// What peft puts beside a weight, or in its place.
constexpr std::array<std::string_view, 10> kAdapterMarks = {".lora_",
                                                            ".base_layer.",
                                                            ".ia3_l",
                                                            ".hada_w",
                                                            ".oft_",
                                                            ".boft_",
                                                            ".vera_lambda_",
                                                            ".modules_to_save.",
                                                            ".original_module.",
                                                            ".ln_tuning_layers."};

/// Refuses weights that cannot be meant: one shard of several, adapters that are not merged, integers in the place of
/// matrices, names of the other framework.
void require_whole(const SourceWeights& source, Direction direction) {
  require_all_shards(source.file);
  const bool is_tf = source.checkpoint.is_tensorflow();
  const Checkpoint::Entry *of_pt = nullptr, *of_tf = nullptr;
  for (const auto& entry : source.checkpoint.entries()) {
    if (std::ranges::any_of(kAdapterMarks, [&](auto mark) { return entry.name.find(mark) != std::string::npos; })) {
      bad_input(
          "{}: `{}` is of an adapter that is not merged; merge it with peft's `merge_and_unload`, save, and "
          "convert that",
          source.file.string(), entry.name);
    }
    const bool is_byte = entry.dtype == DType::kInt8 || entry.dtype == DType::kUInt8;
    if (direction != Direction::kPtToPt && is_byte && entry.dims.size() > 1 && entry.name.ends_with(".weight")) {
      bad_input("{}: `{}` holds {}, as quantized weights do, and no scale; take the model before it was quantized",
                source.file.string(), entry.name, name_of(entry.dtype));
    }
    const std::string_view name = entry.name;
    if (name.ends_with(".weight")) of_pt = &entry;
    if (name.find('/') != name.npos) of_tf = &entry;
  }
  const auto* other = is_tf ? of_pt : of_tf;
  if (other == nullptr || (is_tf ? of_tf : of_pt) != nullptr) return;
  bad_input("{}: is said to be {}'s, but `{}` is a name of {}'s; save it with `format: {}` in its metadata",
            source.file.string(), is_tf ? "TensorFlow" : "PyTorch", other->name, is_tf ? "PyTorch" : "TensorFlow",
            is_tf ? "pt" : "tf");
}

Direction direction_of(const SourceWeights& source, const WeightsRequest& request) {
  const bool is_tf = source.checkpoint.is_tensorflow();
  if (is_tf && request.format == "h5") {
    bad_input("{}: holds TensorFlow's weights, and h5 is TensorFlow's form; make safetensors of them, and h5 of those",
              source.file.string());
  }
  if (is_tf) return Direction::kTfToPt;
  return request.format == "safetensors" ? Direction::kPtToPt : Direction::kPtToTf;
}

bool is_file_name(const fs::path& target) {
  return target.extension() == ".h5" || target.extension() == ".safetensors";
}

// Files in a folder that the new ones replace.
std::vector<std::string> weights_in(const fs::path& folder, bool is_h5) {
  const std::string stem = is_h5 ? "tf_model" : "model";
  const std::string extension = is_h5 ? ".h5" : ".safetensors";
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name == stem + extension || name == stem + extension + ".index.json" ||
        (name.starts_with(stem + "-0") && name.ends_with(extension))) {
      found.push_back(name);
    }
  }
  std::ranges::sort(found);
  return found;
}

/// The most bytes that headers, groups and indices take beside the tensors: names in them, and a fixed part each.
uint64_t room_for_headers(const std::vector<NewTensor>& tensors) {
  constexpr uint64_t kOfFile = 64 << 10, kOfTensor = 2 << 10, kOfGroup = 2 << 10;
  uint64_t bytes = kOfFile;
  for (const NewTensor& tensor : tensors) {
    const auto groups = static_cast<uint64_t>(std::ranges::count(tensor.name, '/'));
    bytes += kOfTensor + kOfGroup * groups + 4 * tensor.name.size() * (1 + tensor.layers.size());
  }
  return bytes;
}

void copy_missing_companions(const fs::path& from, const fs::path& present, const fs::path& to) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (!entry.is_regular_file() || !is_companion(name) || fs::exists(present / name)) continue;
    fs::copy_file(entry.path(), to / name, error);
    if (error)
      fail(ErrorKind::kEnvironment, "{}: cannot be copied: {}; check space and permissions", entry.path().string(),
           error.message());
  }
}

/// Puts config.json of `present` into `to` when the weights there are to be the only ones that PyTorch's loaders may
/// find.
void copy_config_of_cast_weights(const fs::path& present, const fs::path& to, const std::string& dtype, bool is_h5) {
  std::error_code error;
  const fs::path config = present / "config.json";
  if (dtype.empty() || !fs::exists(config, error) || fs::exists(to / "config.json", error)) return;
  // TensorFlow's classes do not look at it: then it says how the others' weights are, which stay.
  if (is_h5 && find_weights(present, Framework::kPyTorch)) return;
  fs::copy_file(config, to / "config.json", error);
  if (error) fail(ErrorKind::kEnvironment, "{}: cannot be copied: {}", config.string(), error.message());
}

// The config.json of a folder says the dtype that the weights were cast to. source: where it came from.
void say_dtype(const fs::path& folder, const std::string& dtype, const fs::path& source) {
  const fs::path path = folder / "config.json";
  std::ifstream in(path, std::ios::binary);
  if (dtype.empty() || !in) return;
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << with_dtype(text, dtype, (source / "config.json").string());
  out.close();
  if (!out) fail(ErrorKind::kEnvironment, "{}: cannot be written; check space and permissions", path.string());
}

WrittenFiles write(const fs::path& folder, bool is_h5, WeightPlan plan, uint64_t max_shard_size,
                   const std::function<void(uint64_t, uint64_t)>& on_progress) {
  const uint64_t all = size_of(plan.tensors);
  const auto progress = [&](std::size_t done) {
    if (on_progress) on_progress(done, all);
  };
  return is_h5 ? write_keras_hdf5(folder, plan.layer_names, std::move(plan.tensors), max_shard_size, progress)
               : write_safetensors(folder, std::move(plan.tensors), max_shard_size, progress);
}

}  // namespace

uint64_t parse_size(const std::string& text) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  constexpr std::array<Unit, 7> kUnits = {{{"GIB", 1ull << 30},
                                           {"MIB", 1ull << 20},
                                           {"KIB", 1ull << 10},
                                           {"GB", 1'000'000'000},
                                           {"MB", 1'000'000},
                                           {"KB", 1'000},
                                           {"", 1}}};
  uint64_t count = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  std::string unit(rest, text.data() + text.size());
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto* const found = std::ranges::find(kUnits, unit, &Unit::name);
  uint64_t size = 0;
  if (error != std::errc() || found == kUnits.end() || __builtin_mul_overflow(count, found->bytes, &size) ||
      size == 0) {
    bad_input("command line: --max-shard-size {}: no size; write it as 10GB, 500MB, 2GiB or bytes", text);
  }
  return size;
}

std::string fetch_weights(const WeightsRequest& request, PythonSide& python, const Progress& progress) {
  std::vector<std::string> formats = {"safetensors", "bin", "h5"};
  if (request.format == "h5") formats.pop_back();
  if (request.format == "safetensors") std::ranges::rotate(formats, formats.end() - 1);
  const json ask = {{"do", "resolve"},
                    {"model", request.source},
                    {"revision", or_null(request.revision)},
                    {"token", or_null(request.token)},
                    {"trust_remote_code", false},
                    {"offline", request.offline},
                    {"weights", formats}};
  return python.ask(ask, progress).at("path").get<std::string>();
}

WeightsResult convert_weights(const WeightsRequest& request,
                              const std::function<void(uint64_t, uint64_t)>& on_progress) {
  const Stopwatch watch;
  WeightsResult result;
  const uint64_t max_shard_size = parse_size(request.max_shard_size);
  const SourceWeights source = open_source(request);
  result.dtype = request.dtype;
  result.has_infinities = request.allow_overflow;
  result.source = source.file;
  result.direction = direction_of(source, request);
  require_whole(source, result.direction);
  const bool is_h5 = result.direction == Direction::kPtToTf;
  const bool to_file = is_file_name(request.target);
  if (to_file && (request.target.extension() == ".h5") != is_h5) {
    bad_input("{}: the weights become {}; give a file of that name or a folder", request.target.string(),
              is_h5 ? "`.h5`" : "`.safetensors`");
  }
  WeightPlan plan = plan_weights(source, request, result);
  const uint64_t bytes = size_of(plan.tensors);
  if (to_file && bytes > max_shard_size) {
    bad_input("{}: {} bytes of weights are more than the shard size {}; give a folder, or --max-shard-size",
              request.target.string(), bytes, max_shard_size);
  }
  result.count = plan.tensors.size();

  std::error_code error;
  fs::path folder = to_file ? fs::absolute(request.target).parent_path() : request.target;
  if (fs::is_symlink(folder, error) && fs::is_directory(folder, error)) folder = fs::canonical(folder);
  result.folder = folder;
  if (to_file && fs::is_directory(request.target, error)) {
    bad_input("{}: is a folder, its name is that of a weight file; give another name or remove it",
              request.target.string());
  }
  const bool is_new =
      !to_file && (!fs::exists(folder, error) || (fs::is_directory(folder, error) && fs::is_empty(folder, error)));
  const bool carries = !to_file && fs::exists(source.folder / "config.json", error);
  // Where some tensors are wider, the configuration must not have loaders cast them.
  const std::string said_dtype = result.overflows.empty() || request.allow_overflow ? request.dtype : "";
  const auto finish = [&](const WrittenFiles& written) {
    result.files = written.names;
    result.bytes = written.bytes;
    result.seconds = watch.seconds();
    return result;
  };
  const uint64_t needed = bytes + room_for_headers(plan.tensors) + (carries ? size_of_companions(source.folder) : 0);
  if (is_new) {
    OutputFolder out(folder, false);
    out.require_free_space(needed);
    const WrittenFiles written = write(out.path(), is_h5, std::move(plan), max_shard_size, on_progress);
    if (carries) copy_companions(source.folder, out.path());
    say_dtype(out.path(), said_dtype, source.folder);
    out.commit();
    return finish(written);
  }
  std::vector<std::string> outdated;
  if (!to_file) outdated = weights_in(folder, is_h5);
  if (to_file && fs::exists(request.target, error)) outdated = {request.target.filename().string()};
  if (!outdated.empty() && !request.force) {
    bad_input("{}: holds `{}` already; choose another path, or --force to replace it", folder.string(),
              outdated.front());
  }
  if (!outdated.empty() && !result.overflows.empty() && !request.allow_overflow) {
    bad_input("{}: {}; the weights that are there stay", folder.string(), overflow_text(result));
  }
  // A file of another name is loaded with whatever configuration its user gives.
  const std::string file = request.target.filename().string();
  if (!to_file || file == "tf_model.h5" || file == "model.safetensors") {
    if (request.force) {
      result.other_config = differences_of_config(folder, source.folder);
    } else {
      require_config_of_same_model(folder, source.folder,
                                   "choose another path, or --force to keep it beside these weights");
    }
  }
  if (to_file) fs::create_directories(folder, error);  // OutputFiles tells when there is none
  OutputFiles out(folder);
  out.require_free_space(needed);
  WrittenFiles written = write(out.path(), is_h5, std::move(plan), max_shard_size, on_progress);
  if (to_file) {
    const std::string name = request.target.filename().string();
    fs::rename(out.path() / written.names.front(), out.path() / name);
    written.names = {name};
  }
  if (carries) copy_missing_companions(source.folder, folder, out.path());
  if (!to_file && result.other_config.empty()) copy_config_of_cast_weights(folder, out.path(), said_dtype, is_h5);
  say_dtype(out.path(), said_dtype, source.folder);
  out.commit(outdated);
  return finish(written);
}

}  // namespace crossload::app
