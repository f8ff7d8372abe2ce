#include "app/weights.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <type_traits>
#include <utility>

#include "app/companions.h"
#include "app/config_dtype.h"
#include "app/config_fit.h"
#include "base/error.h"
#include "base/float_cast.h"
#include "base/json_file.h"
#include "base/output_files.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/other_form.h"
#include "checkpoint/weight_writer.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;
using Direction = WeightsResult::Direction;

namespace {

struct Source {
  fs::path file;    // weights or index
  fs::path folder;  // of the configuration
  Checkpoint checkpoint;
};

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

Source open_source(const WeightsRequest& request) {
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

names::Model model_of(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  std::ifstream in(path);
  if (!in) {
    bad_input("{}: cannot be read; names depend on the model type, put the model's config.json beside its weights",
              path.string());
  }
  const json config = parse_json(in, path);
  const auto text_at = [](const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!config.is_object() || text_at(config, "model_type").empty()) {
    bad_input("{}: has no `model_type`; restore the file", path.string());
  }
  names::Model model;
  model.model_type = text_at(config, "model_type");
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string()) {
    model.class_name = architectures->front().get<std::string>();
  }
  const auto tied = config.find("tie_word_embeddings");
  if (tied != config.end() && tied->is_boolean()) model.tie_word_embeddings = tied->get<bool>();
  // Transformers writes the labels and not their number.
  if (const auto labels = config.find("id2label"); labels != config.end() && labels->is_object()) {
    model.numbers["num_labels"] = static_cast<int64_t>(labels->size());
  }
  for (const auto& [key, part] : config.items()) {
    if (part.is_number_integer()) model.numbers[key] = part.get<int64_t>();
    if (!part.is_object() || text_at(part, "model_type").empty()) continue;
    model.parts[key] = text_at(part, "model_type");
    if (const auto size = part.find("vocab_size"); size != part.end() && size->is_number_integer()) {
      model.numbers[key + ".vocab_size"] = size->get<int64_t>();
    }
  }
  return model;
}

// Whole numbers of another width. TensorFlow's classes keep tables of indices in 32 bits, PyTorch's in 64.
template <typename From, typename To>
Tensor resized(const StridedTensor& tensor, const std::string& where) {
  const Tensor whole = tensor.to_tensor();
  std::vector<To> numbers(static_cast<std::size_t>(whole.count()));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const From value = whole.at<From>(static_cast<int64_t>(i));
    if (!std::in_range<To>(value)) {
      bad_input("{} holds {}, which does not fit the {} bits of TensorFlow's class; restore the file", where, value,
                8 * sizeof(To));
    }
    numbers[i] = static_cast<To>(value);
  }
  return Tensor::of<To>(sizeof(To) == 4 ? DType::kInt32 : DType::kInt64, whole.dims(), numbers);
}

// What is to be written, before any weight is read.
struct Plan {
  std::vector<NewTensor> tensors;
  std::vector<std::string> layer_names;
};

class Planner {
 public:
  Planner(const Source& source, const WeightsRequest& request, WeightsResult& result)
      : source_(source), result_(result), class_name_(request.class_name), allow_overflow_(request.allow_overflow) {
    if (request.dtype.empty()) return;
    dtype_ = dtype_from_name(request.dtype);
    if (!dtype_ || !can_cast(*dtype_)) {
      bad_input("command line: --dtype {}: floats are cast to float16, bfloat16, float32 or float64", request.dtype);
    }
  }

  Plan plan() {
    switch (result_.direction) {
      case Direction::kPtToTf: return to_tf();
      case Direction::kTfToPt: return to_pt();
      case Direction::kPtToPt: break;
    }
    Plan plan;
    for (const Checkpoint::Entry& entry : source_.checkpoint.entries()) {
      plan.tensors.push_back(tensor(entry.name, entry.name, {{}, entry.dims, entry.dtype}, {}));
    }
    return plan;
  }

 private:
  Plan to_tf() {
    const names::Model model = described_model();
    std::vector<names::PtTensor> tensors;
    for (const auto& entry : source_.checkpoint.entries()) tensors.push_back({entry.name, entry.dtype, entry.dims});
    names::TfPlan found = told_of_file([&] {
      return names::to_tf(model, tensors, [this](const std::string& a, const std::string& b) {
        return source_.checkpoint.have_same_bytes(a, b);
      });
    });
    tell(model, std::move(found.class_name), std::move(found.unused), std::move(found.missing));
    Plan plan;
    plan.layer_names = std::move(found.layer_names);
    for (names::TfWeight& weight : found.weights) {
      plan.tensors.push_back(tensor(std::move(weight.name), weight.source, weight.layout, std::move(weight.values)));
      plan.tensors.back().layers = std::move(weight.groups);
    }
    return plan;
  }

  Plan to_pt() {
    const names::Model model = described_model();
    std::vector<names::TfTensor> tensors;
    for (const auto& entry : source_.checkpoint.entries()) {
      tensors.push_back({entry.layer, entry.name, entry.dtype, entry.dims});
    }
    names::PtPlan found = told_of_file([&] { return names::to_pt(model, tensors); });
    tell(model, std::move(found.class_name), std::move(found.unused), std::move(found.missing));
    Plan plan;
    for (names::PtWeight& weight : found.weights) {
      plan.tensors.push_back(tensor(std::move(weight.name), weight.source, weight.layout, std::move(weight.values)));
    }
    return plan;
  }

  /// What maps names knows of no files: its errors get the one that the names are from.
  template <typename F>
  std::invoke_result_t<F> told_of_file(F map_names) const {
    try {
      return map_names();
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: {}", source_.file.string(), error.what()), error.details());
    }
  }

  names::Model described_model() const {
    names::Model model = model_of(source_.folder);
    if (!class_name_.empty()) model.class_name = class_name_;
    return model;
  }

  void tell(const names::Model& model, std::string class_name, std::vector<names::Note> unused,
            std::vector<names::Note> missing) {
    result_.model_type = model.model_type;
    result_.class_name = std::move(class_name);
    result_.unused = std::move(unused);
    result_.missing = std::move(missing);
  }

  /// The largest absolute value of a tensor that is finite and that `to` makes infinite; nothing when it holds all.
  static std::optional<double> overflow_of(const StridedTensor& tensor, DType to) {
    const DType from = tensor.dtype();
    if (!can_cast(from) || from == to || from == DType::kFloat16 || to == DType::kFloat64) return std::nullopt;
    double largest = 0;
    const int64_t step = std::max<int64_t>(1, tensor.block_length());
    std::vector<std::byte> bytes;
    std::vector<double> wide;
    for (int64_t first = 0; first < tensor.count(); first += step) {
      const int64_t last = std::min(first + step, tensor.count());
      bytes.resize(static_cast<std::size_t>(last - first) * size_of(from));
      wide.resize(static_cast<std::size_t>(last - first));
      tensor.read(first, last, bytes.data());
      cast_floats(from, bytes, DType::kFloat64, std::as_writable_bytes(std::span(wide)).data());
      for (const double value : wide) {
        if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
      }
    }
    double narrowed = 0;
    std::array<std::byte, sizeof(double)> cast{};
    cast_floats(DType::kFloat64, std::as_bytes(std::span(&largest, 1)), to, cast.data());
    cast_floats(to, std::span(cast).first(size_of(to)), DType::kFloat64,
                std::as_writable_bytes(std::span(&narrowed, 1)).data());
    return std::isinf(narrowed) ? std::optional(largest) : std::nullopt;
  }

  /// values: the elements where no file holds any; none: all zeros.
  NewTensor tensor(std::string name, const std::string& source, const names::Layout& layout,
                   std::vector<float> values) {
    NewTensor made;
    made.name = std::move(name);
    made.dtype = dtype_ && can_cast(layout.dtype) ? *dtype_ : layout.dtype;
    made.dims = layout.dims;
    if (made.dtype != layout.dtype && values.empty() && !source.empty()) {
      if (const auto largest = overflow_of(source_.checkpoint.strided(source), made.dtype)) {
        result_.overflows.push_back({source, *largest});
        if (!allow_overflow_) made.dtype = layout.dtype;
      }
    }
    if (!values.empty()) {
      made.source = [dims = layout.dims, dtype = layout.dtype, values = std::move(values)]() -> StridedTensor {
        return Tensor::copy_of(dtype, dims, std::as_bytes(std::span(values)));
      };
    } else if (source.empty()) {
      made.source = [dims = layout.dims, dtype = layout.dtype]() -> StridedTensor {
        const std::vector<std::byte> zeros(static_cast<std::size_t>(element_count(dims)) * size_of(dtype));
        return Tensor::copy_of(dtype, dims, zeros);
      };
    } else {
      made.source = [&from = source_.checkpoint.strided(source), permutation = layout.permutation,
                     where = fmt::format("{}: tensor `{}`", source_.file.string(), source),
                     dtype = layout.dtype]() -> StridedTensor {
        const StridedTensor permuted = from.permuted(permutation);
        if (permuted.dtype() == DType::kInt64 && dtype == DType::kInt32)
          return resized<int64_t, int32_t>(permuted, where);
        if (permuted.dtype() == DType::kInt32 && dtype == DType::kInt64)
          return resized<int32_t, int64_t>(permuted, where);
        return permuted;
      };
    }
    return made;
  }

  const Source& source_;
  WeightsResult& result_;
  std::string class_name_;
  bool allow_overflow_;
  std::optional<DType> dtype_;
};

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

/// Refuses weights that cannot be meant: one shard of several, adapters that are not merged, whole numbers in the place
/// of matrices, names of the other framework.
void require_whole(const Source& source, Direction direction) {
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

Direction direction_of(const Source& source, const WeightsRequest& request) {
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

// Files in a folder that the new ones take the place of.
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

WrittenFiles write(const fs::path& folder, bool is_h5, Plan plan, uint64_t max_shard_size,
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
  const Source source = open_source(request);
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
  Plan plan = Planner(source, request, result).plan();
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
  if (is_new) {
    OutputFolder out(folder, false);
    out.require_free_space(bytes + room_for_headers(plan.tensors) + (carries ? size_of_companions(source.folder) : 0));
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
    bad_input("{}: holds `{}` already; give another place, or --force to replace it", folder.string(),
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
                                   "give another place, or --force to keep it beside these weights");
    }
  }
  if (to_file) fs::create_directories(folder, error);  // OutputFiles tells when there is none
  OutputFiles out(folder);
  out.require_free_space(bytes + room_for_headers(plan.tensors) + (carries ? size_of_companions(source.folder) : 0));
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

namespace {

const char* name_of(Direction direction) {
  switch (direction) {
    case Direction::kPtToTf: return "pt-to-tf";
    case Direction::kTfToPt: return "tf-to-pt";
    case Direction::kPtToPt: return "pt-to-pt";
  }
  return "";
}

const char* name_of(names::Reason reason) {
  switch (reason) {
    case names::Reason::kNoPlace: return "no-place";
    case names::Reason::kTied: return "tied";
    case names::Reason::kComputed: return "computed";
    case names::Reason::kAbsent: return "absent";
    case names::Reason::kLeftOut: return "left-out";
    case names::Reason::kDiffers: return "differs";
    case names::Reason::kPtHasNone: return "pytorch-has-none";
  }
  return "";
}

json to_json(const std::vector<names::Note>& notes, bool reported) {
  json list = json::array();
  for (const names::Note& note : notes) {
    if (note.is_reported() != reported) continue;
    if (reported) {
      list.push_back(note.name);
    } else {
      list.push_back({{"name", note.name}, {"reason", name_of(note.reason)}, {"other", note.other}});
    }
  }
  return list;
}

std::string listed(const std::vector<names::Note>& notes, bool verbose) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> names;
  for (const names::Note& note : notes) {
    if (note.is_reported()) names.push_back(fmt::format("'{}'", note.name));
  }
  if (names.empty()) return {};
  const std::size_t left = verbose || names.size() <= kShown ? 0 : names.size() - kShown;
  names.resize(names.size() - left);
  return fmt::format("[{}{}]", fmt::join(names, ", "), left == 0 ? "" : fmt::format(", and {} more", left));
}

}  // namespace

std::string overflow_text(const WeightsResult& result) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> tensors;
  for (const auto& [name, largest] : result.overflows) {
    if (tensors.size() < kShown) tensors.push_back(fmt::format("`{}` (largest {:g})", name, largest));
  }
  const std::size_t left = result.overflows.size() - tensors.size();
  return fmt::format("{} tensors hold numbers that {} makes infinite: {}{}; {}", result.overflows.size(), result.dtype,
                     fmt::join(tensors, ", "), left == 0 ? "" : fmt::format(", and {} more", left),
                     result.has_infinities ? "they were cast"
                                           : "they keep their dtype; --allow-overflow casts them, --dtype bfloat16 has "
                                             "the range of float32");
}

json to_json(const WeightsResult& result) {
  json overflows = json::array();
  for (const auto& [name, largest] : result.overflows) overflows.push_back({{"name", name}, {"largest", largest}});
  json expected = to_json(result.unused, false);
  for (const json& note : to_json(result.missing, false)) expected.push_back(note);
  return {{"source", result.source.string()},
          {"out", result.folder.string()},
          {"files", result.files},
          {"direction", name_of(result.direction)},
          {"model_type", result.model_type},
          {"class", result.class_name},
          {"weights",
           {{"count", result.count},
            {"bytes", result.bytes},
            {"unused", to_json(result.unused, true)},
            {"missing", to_json(result.missing, true)},
            {"expected", expected},
            {"overflows", overflows}}},
          {"other_config", result.other_config},
          {"timings_s", {{"total", result.seconds}}},
          {"peak_rss_mib", peak_rss_mib()}};
}

std::string to_text(const WeightsResult& result, bool verbose) {
  const bool to_tf = result.direction == Direction::kPtToTf;
  std::string text = fmt::format("{} tensors, {:.1f} MB, from {}\n", result.count,
                                 static_cast<double>(result.bytes) / 1e6, result.source.string());
  if (const std::string unused = listed(result.unused, verbose); !unused.empty()) {
    text += fmt::format("Some weights of the {} model were not used when initializing the {} model {}: {}\n",
                        to_tf ? "PyTorch" : "TF 2.0", to_tf ? "TF 2.0" : "PyTorch", result.class_name, unused);
  }
  if (const std::string missing = listed(result.missing, verbose); !missing.empty()) {
    text += fmt::format("Some weights or buffers of the {} model {} were not initialized from the {} model: {}\n",
                        to_tf ? "TF 2.0" : "PyTorch", result.class_name, to_tf ? "PyTorch" : "TF 2.0", missing);
  }
  for (const names::Note& note : result.unused) {
    if (note.reason != names::Reason::kDiffers) continue;
    text += fmt::format("'{}' differs from '{}', and {} has one tensor for both\n", note.name, note.other,
                        result.class_name);
  }
  if (verbose) {
    for (const auto* notes : {&result.unused, &result.missing}) {
      for (const names::Note& note : *notes) {
        if (note.is_reported()) continue;
        text += fmt::format("{}: {}{}\n", note.name, name_of(note.reason),
                            note.other.empty() ? "" : fmt::format(" with {}", note.other));
      }
    }
  }
  if (!result.overflows.empty() && result.has_infinities) text += overflow_text(result) + "\n";
  if (!result.other_config.empty()) {
    text += fmt::format("{} is another model's and stays: {}\n", (result.folder / "config.json").string(),
                        fmt::join(result.other_config, ", "));
  }
  for (const std::string& file : result.files) text += (result.folder / file).string() + "\n";
  return text;
}

}  // namespace crossload::app
