#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/error.h"
#include "names/classes.h"
#include "names/namer.h"
#include "names/names.h"
#include "names/wholeness.h"

namespace crossload::names {
namespace {

/// A parameter under its whole path, and the tensor whose elements it gets.
struct Parameter {
  Path path;
  const PtTensor* source;
};

/// PyTorch's path of a parameter; the names of BERT's first checkpoints become today's.
Path path_of(const PtTensor& tensor) {
  check_name(tensor.name);
  Path path = split(tensor.name, '.');
  if (path.size() > 1 && path.back() == "gamma") path.back() = "weight";
  if (path.size() > 1 && path.back() == "beta") path.back() = "bias";
  return path;
}

class Planner {
 public:
  Planner(const Model& model, std::span<const PtTensor> tensors, const AreEqual& are_equal)
      : model_(model), row_(class_of(model)), namer_(model), tensors_(tensors), are_equal_(are_equal) {
    plan_.class_name = "TF" + std::string(row_.pt_class);
  }

  TfPlan plan() && {
    read_parameters();
    add_computed();
    layers_ = layers_of(row_, modules());
    apply_ties();
    for (const auto& [name, parameter] : parameters_) weights_.push_back(&parameter);
    // In the order of the sources, which a writer may stream; then what has none.
    std::ranges::stable_sort(weights_, {}, [](const Parameter* p) {
      return p->source->name.empty() ? std::pair(true, static_cast<const PtTensor*>(nullptr))
                                     : std::pair(false, p->source);
    });
    for (const Parameter* parameter : weights_) place(*parameter);
    if (!is_known_) fail_for_nothing_known();
    list_layers();
    tell_wholeness();
    return std::move(plan_);
  }

 private:
  void read_parameters() {
    const std::string main(row_.main_layer);
    const bool is_named = std::ranges::any_of(tensors_, [&](const auto& t) { return t.name.starts_with(main + "."); });
    for (const auto& tensor : tensors_) {
      Path path = path_of(tensor);
      if (!main.empty() && !is_named) path.insert(path.begin(), main);
      path = namer_.with_main_layers(std::move(path));
      std::string name = join(path, '.');
      if (const auto [at, is_new] = parameters_.try_emplace(name, Parameter{std::move(path), &tensor}); !is_new) {
        bad_input("`{}` and `{}` are one parameter; the checkpoint must hold it once", at->second.source->name,
                  tensor.name);
      }
    }
  }

  void add_computed() {
    for (auto& computed : namer_.computed_for(Side::kTf)) {
      if (parameters_.contains(computed.pt_name)) continue;
      const PtTensor& tensor = computed_tensors_.emplace_back(std::string(), DType::kFloat32, computed.dims);
      computed_values_[&tensor] = std::move(computed.values);
      parameters_.try_emplace(computed.pt_name, Parameter{split(computed.pt_name, '.'), &tensor});
    }
  }

  std::set<std::string> modules() const {
    std::set<std::string> found;
    for (const auto& [name, parameter] : parameters_) {
      for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1))
        found.insert(name.substr(0, dot));
    }
    return found;
  }

  /// Fills in weights that the checkpoint holds under the other name of a tie, and drops those that TensorFlow lacks.
  void apply_ties() {
    for (const auto& tie : namer_.ties()) {
      const bool holds_both =
          tie.holds == Holds::kBoth || (tie.holds == Holds::kBothWhereUntied && !model_.tie_word_embeddings);
      for (const std::string& name : matching(tie.pt)) {
        const std::string other = filled(tie.same_as_text, tie.pt.match_at(parameters_.at(name).path, 0)->captured);
        const PtTensor* source = parameters_.at(name).source;
        const bool is_new = parameters_.try_emplace(other, Parameter{split(other, '.'), source}).second;
        if (holds_both) continue;
        if (!is_new) {
          plan_.unused.push_back(note_of_tie(*source, *parameters_.at(other).source, tie.holds));
        }
        parameters_.erase(name);
      }
      if (!holds_both) continue;
      for (const std::string& name : matching(tie.same_as)) {
        const std::string other = filled(tie.pt_text, tie.same_as.match_at(parameters_.at(name).path, 0)->captured);
        Path path = split(other, '.');
        const PtTensor* source = parameters_.at(name).source;
        const Path tf_path = split(namer_.to_tf(path, source->dtype, source->dims, &source->dims).path, '/');
        if (find_layer(tf_path[0]) != nullptr) parameters_.try_emplace(other, Parameter{std::move(path), source});
      }
    }
  }

  /// Says what became of `dropped`, for which TensorFlow has `kept`.
  Note note_of_tie(const PtTensor& dropped, const PtTensor& kept, Holds holds) const {
    if (are_equal_) {
      const bool is_tied = dropped.name == kept.name || are_equal_(dropped.name, kept.name);
      return {dropped.name, is_tied ? Reason::kTied : Reason::kDiffers, kept.name};
    }
    if (holds == Holds::kOne || model_.tie_word_embeddings) return {dropped.name, Reason::kTied, kept.name};
    return {dropped.name, Reason::kNoPlace, {}};
  }

  std::vector<std::string> matching(const Pattern& pattern) const {
    std::vector<std::string> found;
    for (const auto& [name, parameter] : parameters_) {
      if (pattern.match_at(parameter.path, 0)) found.push_back(name);
    }
    return found;
  }

  const Layer* find_layer(std::string_view name) const {
    const auto found = std::ranges::find(layers_, name, &Layer::name);
    return found == layers_.end() ? nullptr : &*found;
  }

  const Dims* weight_dims(const Path& path) const {
    Path weight = path;
    weight.back() = "weight";
    const auto found = parameters_.find(join(weight, '.'));
    return found == parameters_.end() ? nullptr : &found->second.source->dims;
  }

  void place(const Parameter& parameter) {
    const PtTensor& source = *parameter.source;
    if (namer_.is_computed(parameter.path)) {
      plan_.unused.push_back({source.name, Reason::kComputed, {}});
      return;
    }
    Rules::Name name = namer_.to_tf(parameter.path, source.dtype, source.dims, weight_dims(parameter.path));
    TfWeight weight{{}, {}, source.name, std::move(name.layout), {}};
    if (const auto at = computed_values_.find(&source); at != computed_values_.end()) weight.values = at->second;
    const Path path = split(name.path, '/');
    if (const Layer* own =
            find_layer(path[0])) {  // never for a path outside of the scope, whose first component is empty
      if (path.size() > 2 && std::ranges::find(own->left_out, path[1]) != own->left_out.end()) {
        plan_.unused.push_back({source.name, Reason::kLeftOut, {}});
        return;
      }
      weight.groups.push_back(own->name);
    }
    for (const auto& layer : layers_) {
      if (layer.shares(name.path)) weight.groups.push_back(layer.name);
    }
    if (weight.groups.empty()) {
      plan_.unused.push_back({source.name, Reason::kNoPlace, {}});
      return;
    }
    const bool has_known_part = is_of_main_layer(row_, name.path);
    is_known_ |= !computed_values_.contains(&source) && has_known_part;
    if (!has_known_part && !source.name.empty()) foreign_.push_back(source.name);
    weight.name =
        (name.path.starts_with('/') ? name.path.substr(1) : scope_of(plan_.class_name) + "/" + name.path) + ":0";
    if (const auto [at, is_new] = placed_.try_emplace(weight.name, source.name); !is_new) {
      bad_input("`{}` and `{}` both become TensorFlow's `{}`; the checkpoint must hold one of them", at->second,
                source.name, weight.name);
    }
    plan_.weights.push_back(std::move(weight));
  }

  [[noreturn]] void fail_for_nothing_known() const {
    if (tensors_.empty()) bad_input("the checkpoint holds no weights; {} needs some", row_.pt_class);
    if (const std::string prefix = foreign_prefix(); !prefix.empty()) {
      bad_input(
          "none of {} weights, such as `{}`, belongs to {}; all have the prefix `{}`, and without it they do: save "
          "them as "
          "`{{k.removeprefix(\"{}\"): v for k, v in weights.items()}}`",
          tensors_.size(), tensors_[0].name, row_.pt_class, prefix, prefix);
    }
    bad_input("none of {} weights, such as `{}`, belongs to {}; check `architectures` in config.json", tensors_.size(),
              tensors_[0].name, row_.pt_class);
  }

  // What wrappers (DataParallel, torch.compile, a trainer's own module) put before all names: without it the weights
  // are this class's.
  std::string foreign_prefix() const {
    const std::string& first = tensors_[0].name;
    const std::string prefix = first.substr(0, first.find('.') + 1);
    std::vector<PtTensor> stripped(tensors_.begin(), tensors_.end());
    for (PtTensor& tensor : stripped) {
      if (prefix.empty() || !tensor.name.starts_with(prefix)) return {};
      tensor.name.erase(0, prefix.size());
    }
    try {
      (void)Planner(model_, stripped, are_equal_).plan();
    } catch (const Error&) {
      return {};
    }
    return prefix;
  }

  void list_layers() {
    for (const auto& layer : layers_) {
      const bool has_weights = std::ranges::any_of(
          plan_.weights, [&](const TfWeight& w) { return std::ranges::find(w.groups, layer.name) != w.groups.end(); });
      if (layer.name == kTopLevel) continue;
      if (has_weights || layer.presence == Layer::Presence::kAlways) {
        plan_.layer_names.push_back(layer.name);
      } else if (layer.presence == Layer::Presence::kHasWeights) {
        plan_.missing.push_back({layer.name, Reason::kAbsent, {}});
      }
    }
    for (const auto& row : tf_only_rows()) {
      const std::string variables = scope_of(plan_.class_name) + "/" + std::string(row.tf) + "/";
      if (names_type(row.classes, row_.pt_class) &&
          std::ranges::none_of(plan_.weights, [&](const TfWeight& w) { return w.name.starts_with(variables); })) {
        plan_.missing.push_back({std::string(row.tf), Reason::kPtHasNone, {}});
      }
    }
  }

  /// Notes weights that are missing or foreign, judged by the layers, the configuration and the class; foreign weights
  /// are kept.
  void tell_wholeness() {
    std::vector<PtTensor> named;
    for (const auto& [name, parameter] : parameters_) {
      const PtTensor& source = *parameter.source;
      if (!source.name.empty()) named.push_back({name, source.dtype, source.dims});
    }
    Wholeness found = wholeness_of(model_, named);
    for (std::string& name : found.missing) plan_.missing.push_back({std::move(name), Reason::kAbsent, {}});
    std::set<std::string> told;
    for (const Note& note : plan_.unused) told.insert(note.name);
    const auto tell = [&](const std::string& name) {
      if (told.insert(name).second) plan_.unused.push_back({name, Reason::kNoPlace, {}});
    };
    for (const std::string& name : found.foreign) tell(parameters_.at(name).source->name);
    for (const std::string& name : foreign_) tell(name);
  }

  const Model& model_;
  const ClassRow& row_;
  Namer namer_;
  std::span<const PtTensor> tensors_;
  const AreEqual& are_equal_;
  std::map<std::string, Parameter> parameters_;  // by whole path
  std::vector<const Parameter*> weights_;
  std::vector<Layer> layers_;
  std::map<std::string, std::string> placed_;
  std::deque<PtTensor> computed_tensors_;
  std::map<const PtTensor*, std::vector<float>> computed_values_;
  std::vector<std::string> foreign_;  // sources that stand in the main layer, in no part of it that is known
  bool is_known_ = false;             // whether any weight went where the class is known to have some
  TfPlan plan_;
};

}  // namespace

TfPlan to_tf(const Model& model, std::span<const PtTensor> tensors, const AreEqual& are_equal) {
  return Planner(model, tensors, are_equal).plan();
}

std::string flat_name(std::string_view tf_name) {
  // The condition is Transformers'; it keeps names such as `model.shared/model.shared/embeddings` whole.
  const std::size_t slash = tf_name.find('/');
  return std::string(slash == tf_name.npos || tf_name.find("model.") != tf_name.npos ? tf_name
                                                                                     : tf_name.substr(slash + 1));
}

}  // namespace crossload::names
