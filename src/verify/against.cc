#include "verify/against.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/weight_writer.h"
#include "program/program.h"
#include "verify/compare.h"
#include "verify/diagnosis/diagnose.h"
#include "verify/layout.h"
#include "verify/outputs.h"
#include "verify/picture.h"
#include "verify/pytorch_values.h"
#include "verify/visibility.h"

namespace crossload::verify {

program::Program shapes_of(const AgainstRequest& request) {
  program::Program program;
  const auto add = [&](const std::string& value, const SymDims& dims) {
    program.main.tensors[value] = {DType::kFloat32, dims};
  };
  for (const auto& [name, dims] : request.inputs) {
    program.inputs.push_back({program::InputKind::kUser, "input/" + name, name, true, {}});
    add("input/" + name, dims);
  }
  for (const std::string& name : request.output_names) {
    program.outputs.push_back({name, program::TensorRef{"output/" + name}, false});
    if (const auto found = request.outputs.find(name); found != request.outputs.end()) {
      add("output/" + name, found->second);
    }
  }
  return program;
}

namespace {

/// What masks add to scores is float32's lowest number in PyTorch and less in TensorFlow (-1e9, -1e4), and means the
/// same. `tf` with PyTorch's value where one of the two is such a filling and the other one may be.
Tensor with_same_fillings(const Tensor& tf, const Tensor& pt) {
  constexpr float kLowest = -1e30F, kLow = -1e4F;
  if (pt.dtype() != DType::kFloat32) return tf;
  std::vector<float> values;
  for (int64_t i = 0; i < pt.count(); ++i) {
    const float a = pt.at<float>(i), b = tf.at<float>(i);
    if (std::min(a, b) > kLowest || std::max(a, b) > kLow || a == b) continue;
    if (values.empty()) {
      for (int64_t j = 0; j < tf.count(); ++j) values.push_back(tf.at<float>(j));
    }
    values[static_cast<std::size_t>(i)] = a;
  }
  return values.empty() ? tf : Tensor::of<float>(DType::kFloat32, tf.dims(), values);
}

/// A leaf of a module's result with that of the layer's.
struct LeafPair {
  std::string pt_value;
  std::string tf_name;
};

class AgainstRun {
 public:
  explicit AgainstRun(const AgainstRequest& request) : request_(request), program_(shapes_of(request)) {}

  Result run() {
    result_.limit = request_.limit;
    compare_all_cases();
    if (request_.pt_stages) compare_layers();
    if (request_.pt_stages) show_first_stage();
    give_wanted();
    // Where outputs agree, an inner stage over its limit is no fault to explain.
    if (request_.pt_stages && request_.explain && result_.verdict == Verdict::kMismatch) diagnose_layers();
    return std::move(result_);
  }

 private:
  void compare_all_cases() {
    for (std::size_t i = 0; i < request_.cases.size(); ++i) compare_case(request_.cases[i], request_.tf_cases.at(i));
    settle_verdict(result_, request_.strict);
    if (worst_ && result_.verdict != Verdict::kVerified) result_.pictures.push_back(std::move(*worst_));
  }

  void compare_case(const Case& one, const TfCase& tf_case) {
    ShapeResult shape;
    shape.label = one.label;
    shape.traced = one.traced;
    if (one.skipped) {
      shape.max_error = shape.padded_error = kUnknown;
      shape.skipped = one.skipped;
      result_.shapes.push_back(std::move(shape));
      return;
    }
    const CaseValues pytorch = read_case(one.file);
    std::vector<std::string> notes;
    const Masks masks = masks_of(program_, pytorch, notes);
    if (one.traced) masks_ = masks;
    for (const auto& [name, tensor] : pytorch.inputs) shape.inputs.emplace_back(name, tensor.dims());
    std::map<std::string, Tensor> tf;
    std::vector<std::string> differences;
    const bool has_run = tf_case.file || tf_case.is_in_memory;
    if (has_run) {
      tf = in_pt_widths(tf_case, pytorch);
    } else {
      notes.push_back("TensorFlow fails: " + tf_case.error);
    }
    std::vector<OutputResult> outputs = compare_outputs(program_, pytorch, masks, tf, differences);
    if (has_run) notes.insert(notes.end(), differences.begin(), differences.end());
    if (one.traced && has_run) worst_ = picture_of_worst(program_, pytorch, masks, tf, outputs);
    for (OutputResult& output : outputs) {
      output.verdict = judge(output, request_.limit);
      shape.max_error = std::max(shape.max_error, output.max_error);
      shape.padded_error = std::max(shape.padded_error, output.padded_error);
    }
    merge(result_.outputs, outputs);
    result_.shapes.push_back(std::move(shape));
    for (const std::string& note : notes) result_.notes.push_back(fmt::format("{}: {}", one.label, note));
  }

  /// TensorFlow's outputs; integers in PyTorch's width, since TensorFlow's models count in int32.
  static std::map<std::string, Tensor> in_pt_widths(const TfCase& tf_case, const CaseValues& pytorch) {
    std::map<std::string, Tensor> found = tf_case.outputs;
    if (tf_case.file) {
      const Checkpoint tensors = open_safetensors(*tf_case.file);
      for (const Checkpoint::Entry& entry : tensors.entries()) {
        if (entry.name.starts_with("output/")) found[entry.name.substr(7)] = tensors.tensor(entry.name);
      }
    }
    for (auto& [name, value] : found) {
      const auto runs = pytorch.runs.find(name);
      if (runs == pytorch.runs.end() || !is_integer(value.dtype())) continue;
      value = in_pt_dtype(value, runs->second.front().dtype()).value_or(value);
    }
    return found;
  }

  // --- Layers ---

  void compare_layers() {
    pt_ = open_safetensors(*request_.pt_stages);
    tf_ = open_safetensors(*request_.tf_stages);
    LayerReport& layers = result_.layers.emplace();
    layers.without_module = request_.pairing.alone;
    std::map<std::pair<std::string, int>, std::size_t> run_of;
    for (std::size_t i = 0; i < request_.runs.size(); ++i) {
      run_of.try_emplace({request_.runs[i].module, request_.runs[i].call}, i);
    }
    std::set<std::string> paired, told;
    for (const auto& [layer, module] : request_.pairing.module_of) paired.insert(module);
    for (const ModuleRun& one : request_.modules) {
      StageResult& stage = result_.stages.emplace_back();
      stage.module = one.module;
      stage.module_class = one.module_class;
      stage.call = one.call;
      stage.depth = one.depth;
      const auto found = run_of.find({one.module, one.call});
      if (found != run_of.end()) {
        measure(one, found->second, stage, layers);
      } else if (!told.insert(one.module).second) {
        continue;
      } else if (!paired.contains(one.module)) {
        const bool is_around = std::ranges::any_of(
            paired, [&](const std::string& module) { return module.starts_with(one.module + "."); });
        if (!is_around) layers.without_layer.push_back(one.module);
      } else {
        const int layer = layer_of(one.module);
        const auto count = request_.counts.find(layer);
        const int calls = count == request_.counts.end() ? 0 : count->second;
        layers.other_structure.push_back(
            {one.module, path_of(layer),
             fmt::format("call {} has no partner: the layer is called {} times", one.call, calls)});
      }
    }
    mark_first();
  }

  int layer_of(const std::string& module) const {
    for (const auto& [layer, name] : request_.pairing.module_of) {
      if (name == module) return layer;
    }
    return -1;
  }

  std::string path_of(int id) const {
    const auto found = std::ranges::find(request_.layers, id, &Layer::id);
    return found == request_.layers.end() ? "" : found->path;
  }

  void measure(const ModuleRun& one, std::size_t index, StageResult& stage, LayerReport& layers) {
    const LayerRun& run = request_.runs[index];
    stage.layer = path_of(run.layer);
    const std::string prefix = fmt::format("accumulated/{}/", index);
    std::string differs;
    const std::vector<LeafPair> pairs = leaf_pairs(one, prefix, run.accumulated, differs);
    if (!differs.empty()) layers.other_structure.push_back({one.module, stage.layer, differs});
    for (const LeafPair& pair : pairs) {
      raise(stage.accumulated, error_of(pair, prefix));
      raise(stage.noise, noise_of(pair.pt_value));
    }
    if (!pairs.empty() && !run.isolated) {
      layers.not_isolated.push_back({one.module, stage.layer, run.reason});
    }
    if (pairs.empty() || !run.isolated) return;
    for (const LeafPair& pair : pairs) {
      if (std::ranges::find(*run.isolated, pair.tf_name) == run.isolated->end()) continue;
      raise(stage.isolated, error_of(pair, fmt::format("isolated/{}/", index)));
    }
  }

  static void raise(double& to, double value) {
    if (!std::isnan(value) && !(to >= value)) to = value;
  }

  /// Each of PyTorch's tensors with TensorFlow's at the same place of the result, else with the next one that can be
  /// it. `differs`: what has no partner; TensorFlow may give more.
  std::vector<LeafPair> leaf_pairs(const ModuleRun& one, const std::string& prefix,
                                   const std::vector<std::string>& tf_names, std::string& differs) const {
    const auto fits = [&](const std::string& value, const std::string& name) {
      const Checkpoint::Entry* entry = pt_.find("value/" + value);
      const Tensor tf = tf_.tensor(prefix + name);
      return in_pt_dtype(tf, entry->dtype) && !in_pt_layouts(tf, entry->dims).empty();
    };
    std::vector<LeafPair> pairs;
    std::set<std::string> taken;
    for (const auto& [leaf, value] : one.outputs) {
      if (std::ranges::find(tf_names, leaf) == tf_names.end() || !fits(value, leaf)) continue;
      pairs.push_back({value, leaf});
      taken.insert(leaf);
    }
    for (const auto& [leaf, value] : one.outputs) {
      if (std::ranges::find(pairs, value, &LeafPair::pt_value) != pairs.end()) continue;
      const auto next = std::ranges::find_if(
          tf_names, [&](const std::string& name) { return !taken.contains(name) && fits(value, name); });
      if (next == tf_names.end()) continue;
      pairs.push_back({value, *next});
      taken.insert(*next);
    }
    std::set<std::string> values;
    for (const auto& [leaf, value] : one.outputs) values.insert(value);
    if (pairs.size() >= values.size()) return pairs;
    std::string pt_shapes, tf_shapes;
    for (const auto& [leaf, value] : one.outputs) {
      pt_shapes += (pt_shapes.empty() ? "" : ", ") + to_string(pt_.find("value/" + value)->dims);
    }
    for (const std::string& name : tf_names) {
      tf_shapes += (tf_shapes.empty() ? "" : ", ") + to_string(tf_.find(prefix + name)->dims);
    }
    differs = fmt::format("PyTorch gives {}, TensorFlow {}", pt_shapes, tf_shapes.empty() ? "nothing" : tf_shapes);
    return pairs;
  }

  double error_of(const LeafPair& pair, const std::string& prefix) const { return nearest(pair, prefix).first; }

  /// The error, and TensorFlow's value in PyTorch's layout; infinite and nothing where it has none.
  std::pair<double, std::optional<Tensor>> nearest(const LeafPair& pair, const std::string& prefix) const {
    const Tensor pt = pt_.tensor("value/" + pair.pt_value);
    const auto tf = in_pt_dtype(tf_.tensor(prefix + pair.tf_name), pt.dtype());
    std::pair<double, std::optional<Tensor>> found = {std::numeric_limits<double>::infinity(), std::nullopt};
    if (!tf) return found;
    const Visibility visible = visibility(pair.pt_value, pt.dims());
    // Several layouts only where axes are of one size: then the nearer one is meant.
    for (const Tensor& value : in_pt_layouts(*tf, pt.dims())) {
      Tensor filled = with_same_fillings(value, pt);
      const double error = compare(pt, filled, visible).max;
      if (!found.second || error < found.first) found = {error, std::move(filled)};
    }
    return found;
  }

  /// A picture of the first stage over its limit, given PyTorch's inputs where it can be.
  void show_first_stage() {
    const auto first = std::ranges::find_if(result_.stages, &StageResult::first_over_limit);
    if (first == result_.stages.end()) return;
    const ModuleRun& one = request_.modules[static_cast<std::size_t>(first - result_.stages.begin())];
    const auto run = run_of(one.module, one.call);
    if (run == request_.runs.end() || !run->isolated) return;
    const auto index = run - request_.runs.begin();
    std::optional<ErrorPicture> worst;
    std::string ignored;
    for (const LeafPair& pair : leaf_pairs(one, fmt::format("accumulated/{}/", index), run->accumulated, ignored)) {
      if (std::ranges::find(*run->isolated, pair.tf_name) == run->isolated->end()) continue;
      const Tensor pt = pt_.tensor("value/" + pair.pt_value);
      const auto tf = nearest(pair, fmt::format("isolated/{}/", index)).second;
      if (!tf || !is_real(pt) || !is_real(*tf)) continue;
      const auto axes = request_.axes.find(pair.pt_value);
      const Sym batch = Sym::symbol("batch");
      auto picture = picture_of(
          pt, *tf, visibility(pair.pt_value, pt.dims()),
          axis_names(axes == request_.axes.end() ? SymDims() : axes->second, {batch, Sym::symbol("length")}, batch));
      if (picture && (!worst || picture->max_error > worst->max_error)) worst = std::move(picture);
    }
    if (!worst) return;
    worst->module = one.call == 0 ? one.module : fmt::format("{}@{}", one.module, one.call);
    result_.pictures.push_back(std::move(*worst));
  }

  std::vector<LayerRun>::const_iterator run_of(const std::string& module, int call) const {
    return std::ranges::find_if(request_.runs,
                                [&](const LayerRun& run) { return run.module == module && run.call == call; });
  }

  void give_wanted() {
    for (const auto& [name, use] : request_.wanted) {
      const auto one = std::ranges::find(request_.modules, name, &ModuleRun::module);
      const auto run = run_of(name, 0);
      if (one == request_.modules.end() || run == request_.runs.end() || !run->isolated) {
        std::vector<std::string> names;
        for (const LayerRun& other : request_.runs) {
          if (other.isolated && other.call == 0) names.push_back("`" + other.module + "`");
        }
        bad_input("stage `{}`: no layer of that module can be called by itself; there are {}", name,
                  fmt::join(names, ", "));
      }
      const ScratchFolder folder;
      use(suspect_of(*one, folder.path()));
    }
  }

  // --- Causes ---

  /// Stages that make an error by themselves while no submodule does.
  std::vector<std::size_t> sources() const {
    const auto is_source = [&](std::size_t i) {
      return is_over(result_.stages[i].isolated, request_.limit, result_.stages[i].noise);
    };
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < result_.stages.size(); ++i) {
      bool is_innermost = is_source(i);
      for (std::size_t k = i + 1; k < result_.stages.size() && result_.stages[k].depth > result_.stages[i].depth; ++k) {
        is_innermost = is_innermost && !is_source(k);
      }
      if (is_innermost) found.push_back(i);
    }
    return found;
  }

  void diagnose_layers() {
    const std::vector<std::size_t> found = sources();
    for (std::size_t k = 0; k < std::min(found.size(), kMostDiagnosed); ++k) {
      const ModuleRun& one = request_.modules[found[k]];
      const ScratchFolder folder;
      add_told(result_.stages[found[k]].module, request_.explain(suspect_of(one, folder.path())), result_.diagnosis);
    }
    settle_layer_order(result_.diagnosis);
    if (found.size() > kMostDiagnosed) {
      result_.notes.push_back(
          fmt::format("diagnosis: {} more layers make an error by themselves and were not diagnosed",
                      found.size() - kMostDiagnosed));
    }
  }

  LayerSuspect suspect_of(const ModuleRun& one, const std::filesystem::path& folder) const {
    const auto run = run_of(one.module, one.call);
    LayerSuspect suspect{one.module, one.module_class, one.call, run->layer, folder / "model.safetensors", {}};
    const auto index = static_cast<std::size_t>(run - request_.runs.begin());
    std::string ignored;
    std::vector<NewTensor> tensors;
    const auto add = [&](const std::string& name, const Tensor& tensor) {
      NewTensor& added = tensors.emplace_back();
      added.name = name;
      added.dtype = tensor.dtype();
      added.dims = tensor.dims();
      added.source = [tensor] { return StridedTensor(tensor); };
    };
    const std::string accumulated = fmt::format("accumulated/{}/", index);
    for (const LeafPair& pair : leaf_pairs(one, accumulated, run->accumulated, ignored)) {
      if (std::ranges::find(*run->isolated, pair.tf_name) == run->isolated->end()) continue;
      const auto value = nearest(pair, fmt::format("isolated/{}/", index)).second;
      if (!value) continue;
      add("tf/" + pair.pt_value, *value);
      suspect.leaves[pair.pt_value] = pair.tf_name;
      const Visibility visible = visibility(pair.pt_value, value->dims());
      if (!visible.rows.empty() && value->count() > 0) {
        add("visible/" + pair.pt_value, visible_elements(visible, value->dims()));
      }
    }
    write_safetensors(folder, std::move(tensors), std::numeric_limits<uint64_t>::max(), {});
    return suspect;
  }

  double noise_of(const std::string& value) const {
    return recorded_noise(pt_, value, [&](const Dims& dims) { return visibility(value, dims); });
  }

  Visibility visibility(const std::string& value, const Dims& dims) const {
    const auto found = request_.axes.find(value);
    return !masks_ || masks_->empty() || found == request_.axes.end() ? Visibility() : masks_->of(found->second, dims);
  }

  /// Innermost first, in the order in which the modules end.
  void mark_first() {
    std::vector<std::size_t> order(request_.modules.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](std::size_t i) { return request_.modules[i].end; });
    const auto over = [&](double error, const StageResult& stage) {
      return is_over(error, request_.limit, stage.noise);
    };
    const auto mark = [&](const auto& is_first) {
      for (const std::size_t i : order) {
        StageResult& stage = result_.stages[i];
        if (!is_first(stage)) continue;
        stage.first_over_limit = true;
        return true;
      }
      return false;
    };
    if (mark([&](const StageResult& s) { return over(s.accumulated, s) && over(s.isolated, s); })) return;
    mark([&](const StageResult& s) { return over(s.accumulated, s); });
  }

  const AgainstRequest& request_;
  const program::Program program_;
  Result result_;
  std::optional<Masks> masks_;
  std::optional<ErrorPicture> worst_;  // of the outputs in the traced case
  Checkpoint pt_, tf_;
};

}  // namespace

Result compare_against(const AgainstRequest& request) { return AgainstRun(request).run(); }

}  // namespace crossload::verify
