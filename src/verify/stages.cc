// Two graphs are run. In the first everything is computed from the model's inputs: its values' errors are accumulated.
// In the second, pieces are cut out (pieces.h): what they compute from PyTorch's values is isolated.
#include "verify/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "verify/claims.h"
#include "verify/compare.h"
#include "verify/layout.h"
#include "verify/modules.h"
#include "verify/outputs.h"
#include "verify/pieces.h"
#include "verify/pytorch_values.h"
#include "verify/visibility.h"

namespace crossload::verify {
namespace {

using savedmodel::Edge;
using savedmodel::Flow;
using savedmodel::PtClaim;

constexpr std::size_t kOpsListed = 40;  // operations of one module that are listed though all is well

}  // namespace

class Stages::Run {
 public:
  Run(const StageRequest& request, const Flow& flow, const runtime::Runtime& runtime, std::vector<std::string>& notes)
      : request_(request),
        flow_(flow),
        runtime_(runtime),
        notes_(notes),
        values_(request.program, request.values, request.masks),
        tree_(module_tree(request.program, request.module_classes)),
        claims_(claims_for(request.program, flow)),
        feeds_(feeds_of(flow.inputs, request.inputs)),
        stages_(tree_.calls.size()) {}

  void measure() {
    run_accumulated();
    describe_stages();
    run_isolated();
    list_ops();
    find_sources();
    find_first();
  }

  const std::vector<StageResult>& results() const { return stages_; }
  const std::vector<int>& sources() const { return sources_; }
  Spread spread() const { return spread_; }

  StageValues values(int stage, bool whole) const {
    StageValues result;
    const std::vector<bool> is_own = own_nodes(stage, whole);
    std::set<std::string> weights;
    for (std::size_t i = 0; i < is_own.size(); ++i) {
      if (!is_own[i]) continue;
      const program::Node& node = request_.program.main.nodes[i];
      result.nodes.push_back(node.name);
      for (const auto& argument : node.arguments) {
        for_each_tensor(argument.value, [&](const std::string& value) {
          if (of_weight_.contains(value)) weights.insert(value);
        });
      }
    }
    Pieces pieces(flow_);
    std::vector<Wanted> wanted;
    std::set<int> placeholders;
    const auto cut = [&](const Edge& edge) -> std::pair<const KnownValue*, DType> {
      const auto found = of_edge_.find(edge);
      if (found == of_edge_.end()) return {nullptr, DType::kFloat32};
      for (const int known : found->second) {
        const auto made = tree_.node_of_value.find(known_values_[known].pt_value);
        if (made == tree_.node_of_value.end() || made->second < 0 || !is_own[static_cast<std::size_t>(made->second)]) {
          return boundary(known);
        }
        // A value that leaves the nodes is computed by them, though a later view of it is known as well.
        break;
      }
      return {nullptr, DType::kFloat32};
    };
    for (const std::string& output : values_leaving(is_own)) {
      const auto found = of_pt_.find(output);
      if (found == of_pt_.end()) continue;
      const KnownValue& known = known_values_[found->second.front()];
      if (cut(known.value).first != nullptr) continue;
      const auto piece = pieces.value("unit", known.value, cut);
      wanted.push_back({piece.tensor, &known});
      placeholders.insert(piece.placeholders.begin(), piece.placeholders.end());
    }
    const runtime::Session::Feeds feeds = feeds_for(pieces, placeholders);
    const std::set<std::string> names_of_wanted = wanted_names(wanted);
    std::set<std::string> names = names_of_wanted;
    for (const std::string& weight : weights) names.insert(tensor_name(flow_, of_weight_.at(weight)->value));
    if (names.empty()) return result;
    const std::string graph = std::move(pieces).graph();
    const runtime::Session session = unfused_session(runtime_, flow_, graph);
    Pruned kept;
    if (whole) kept = pruned(graph, names_of_wanted);
    names.insert(kept.reads.begin(), kept.reads.end());
    const auto values = session.run(feeds, {names.begin(), names.end()});
    for (const std::string& read : kept.reads) result.feeds.emplace(read, values.at(read));
    for (const auto& [name, tensor] : feeds) {
      if (kept.nodes.contains(name.substr(0, name.find(':')))) result.feeds.emplace(name, tensor);
    }
    result.graph = std::move(kept.graph);
    for (const Wanted& one : wanted) {
      result.fetches.emplace(one.known->pt_value, std::make_pair(one.tensor, one.known->perm));
      const Tensor& tf = values.at(one.tensor);
      const Dims& dims = values_.find(one.known->pt_value)->dims;
      if (tf.dims() != tf_dims_.at(one.known->value)) continue;
      result.outputs.emplace(one.known->pt_value, to_pt_layout(tf, one.known->perm, dims));
      result.visible.emplace(one.known->pt_value, values_.visibility(one.known->pt_value, dims));
    }
    for (const std::string& weight : weights) {
      const PtClaim& claim = *of_weight_.at(weight);
      const Tensor& tf = values.at(tensor_name(flow_, claim.value));
      const auto dims = constant_dims(request_.program.type_of(weight).dims);
      if (!dims || tf.count() != element_count(*dims)) continue;
      if (!claim.perm.empty() && (!is_permutation_of(claim.perm, dims->size()) || tf.dims().size() != dims->size()))
        continue;
      result.weights.emplace(weight, to_pt_layout(tf, claim.perm, *dims));
    }
    return result;
  }

 private:
  template <typename Use>
  static void for_each_tensor(const program::Argument& argument, const Use& use) {
    if (const auto* tensor = std::get_if<program::TensorRef>(&argument)) use(tensor->name);
    if (const auto* list = std::get_if<program::TensorList>(&argument)) {
      for (const auto& name : list->names) {
        if (name) use(*name);
      }
    }
  }

  /// Which nodes of the program belong to the stage: those directly in it and in submodules that were not measured, or
  /// with `whole` all.
  std::vector<bool> own_nodes(int stage, bool whole) const {
    std::vector<bool> result(request_.program.main.nodes.size(), false);
    const ModuleCall& call = tree_.calls[static_cast<std::size_t>(stage)];
    for (int i = stage; i < call.end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i != stage && !whole && !std::isnan(stages_[at].isolated)) continue;
      for (const int node : tree_.calls[at].nodes) result[static_cast<std::size_t>(node)] = true;
    }
    return result;
  }

  /// Values made by these nodes and used by others, or outputs of the program.
  std::vector<std::string> values_leaving(const std::vector<bool>& is_own) const {
    std::vector<std::string> result;
    const auto use = [&](const std::string& value) {
      const auto made = tree_.node_of_value.find(value);
      if (made == tree_.node_of_value.end() || made->second < 0 || !is_own[static_cast<std::size_t>(made->second)]) {
        return;
      }
      if (std::ranges::find(result, value) == result.end()) result.push_back(value);
    };
    const auto& nodes = request_.program.main.nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (is_own[i]) continue;
      for (const auto& argument : nodes[i].arguments) for_each_tensor(argument.value, use);
    }
    for (const program::ProgramOutput& output : request_.program.outputs) for_each_tensor(output.value, use);
    return result;
  }

  struct Wanted {
    std::string tensor;
    const KnownValue* known;
  };
  static std::set<std::string> wanted_names(const std::vector<Wanted>& wanted) {
    std::set<std::string> names;
    for (const Wanted& one : wanted) names.insert(one.tensor);
    return names;
  }

  struct Fetch {
    std::string tensor;
    std::set<int> placeholders;
    int known;  // index into known_values_
    int stage;  // -1: the operation itself
  };

  void tell(double fraction) const {
    if (request_.progress) request_.progress(fraction);
  }

  /// All claimed values, computed from the model's inputs.
  void run_accumulated() {
    std::map<Edge, std::vector<const PtClaim*>> wanted;
    int unfit = 0;
    for (const PtClaim& claim : claims_) {
      if (!request_.program.main.tensors.contains(claim.pt_value)) {
        ++unfit;
      } else if (values_.find(claim.pt_value) != nullptr) {  // no values of weights
        wanted[claim.value].push_back(&claim);
      } else if (tree_.node_of_value.contains(claim.pt_value)) {
        of_weight_.try_emplace(claim.pt_value, &claim);
      }
    }
    const runtime::Session session = unfused_session(runtime_, flow_, serialize(flow_, {}));
    std::vector<std::string> fetches;
    std::vector<decltype(wanted)::const_iterator> fetched;
    std::size_t bytes = 0, done = 0;
    const auto flush = [&] {
      const auto results = session.run(feeds_, fetches);
      for (std::size_t i = 0; i < fetched.size(); ++i) {
        const auto& [edge, claims] = *fetched[i];
        const Tensor& tf = results.at(fetches[i]);
        for (const PtClaim* claim : claims) {
          if (!fits(tf, *values_.find(claim->pt_value), claim->perm)) {
            ++unfit;
          } else {
            take(edge, *claim, tf);
          }
        }
      }
      done += fetches.size();
      tell(0.4 * static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(wanted.size(), 1)));
      fetches.clear();
      fetched.clear();
      bytes = 0;
    };
    for (auto it = wanted.cbegin(); it != wanted.cend(); ++it) {
      const std::string tensor = tensor_name(flow_, it->first);
      if (!session.has(tensor) || !session.dtype_of(tensor)) {
        unfit += static_cast<int>(it->second.size());
        continue;
      }
      const Checkpoint::Entry& entry = *values_.find(it->second.front()->pt_value);
      fetches.push_back(tensor);
      fetched.push_back(it);
      bytes += static_cast<std::size_t>(element_count(entry.dims)) * size_of(entry.dtype);
      if (bytes > request_.bytes_at_once) flush();
    }
    if (!fetches.empty()) flush();
    if (unfit > 0) notes_.push_back(fmt::format("values claimed to be PyTorch's that do not fit: {}", unfit));

    // In the order of PyTorch's program: the first claim of a value is the one that was computed, others are views.
    std::ranges::stable_sort(known_values_, {}, &KnownValue::order);
    for (std::size_t i = 0; i < known_values_.size(); ++i) {
      of_edge_[known_values_[i].value].push_back(static_cast<int>(i));
      of_pt_[known_values_[i].pt_value].push_back(static_cast<int>(i));
    }
  }

  void take(const Edge& edge, const PtClaim& claim, const Tensor& tf) {
    const Tensor pt = values_.get(claim.pt_value);
    KnownValue known{edge, claim.pt_value, claim.perm};
    const auto made = tree_.node_of_value.find(claim.pt_value);
    known.order = made == tree_.node_of_value.end() ? -1 : made->second;
    const Tensor in_pt_layout = to_pt_layout(tf, claim.perm, pt.dims());
    known.accumulated = compare(pt, in_pt_layout, values_.visibility(claim.pt_value, pt.dims())).max;
    if (known.accumulated > request_.limit) {
      known.tf_truth = values_.distance_from_truth(claim.pt_value, pt, in_pt_layout);
    }
    known_values_.push_back(std::move(known));
    tf_dims_[edge] = tf.dims();
  }

  void describe_stages() {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const ModuleCall& call = tree_.calls[i];
      StageResult& stage = stages_[i];
      stage.module = call.module;
      stage.module_class = call.module_class;
      stage.call = call.call;
      stage.depth = call.depth;
      for (const std::string& output : call.outputs) {
        const auto found = of_pt_.find(output);
        if (found == of_pt_.end()) continue;
        for (const int known : found->second) {
          raise(stage.accumulated, known_values_[known].accumulated);
          raise(stage.tf_truth, known_values_[known].tf_truth);
        }
        raise(stage.noise, values_.noise(output));
      }
    }
  }

  static void raise(double& value, double candidate) {
    if (!std::isnan(candidate) && !(candidate <= value)) value = candidate;
  }

  std::pair<const KnownValue*, DType> boundary(int known) const {
    return {&known_values_[known], values_.find(known_values_[known].pt_value)->dtype};
  }

  void run_isolated() {
    Pieces pieces(flow_);
    std::vector<Fetch> fetches;
    plan_ops(pieces, fetches);
    plan_stages(pieces, fetches);
    const runtime::Session session = unfused_session(runtime_, flow_, std::move(pieces).graph());
    std::vector<const Fetch*> chunk;
    std::set<int> placeholders;
    std::size_t bytes = 0;
    std::size_t done = 0;
    const auto flush = [&] {
      if (chunk.empty()) return;
      run_chunk(session, pieces, chunk, placeholders);
      done += chunk.size();
      tell(0.4 + 0.6 * static_cast<double>(done) / static_cast<double>(fetches.size()));
      chunk.clear();
      placeholders.clear();
      bytes = 0;
    };
    for (const Fetch& fetch : fetches) {
      chunk.push_back(&fetch);
      bytes += bytes_of(known_values_[fetch.known]);
      for (const int placeholder : fetch.placeholders) {
        if (placeholders.insert(placeholder).second) bytes += bytes_of(pieces.known_value(placeholder));
      }
      if (bytes > request_.bytes_at_once) flush();
    }
    flush();
  }

  std::size_t bytes_of(const KnownValue& known) const {
    const Checkpoint::Entry& entry = *values_.find(known.pt_value);
    return static_cast<std::size_t>(element_count(entry.dims)) * size_of(entry.dtype);
  }

  /// The error between two PyTorch values that TensorFlow has as one: an operation that became nothing.
  double between(const KnownValue& later, const KnownValue& earlier) const {
    const Dims& dims = tf_dims_.at(later.value);
    const Tensor pt = values_.get(later.pt_value);
    const Tensor given = to_tf_layout(values_.get(earlier.pt_value), earlier.perm, dims);
    return compare(pt, to_pt_layout(given, later.perm, pt.dims()), values_.visibility(later.pt_value, pt.dims())).max;
  }

  /// Each value by itself: all values that it is computed from are PyTorch's.
  void plan_ops(Pieces& pieces, std::vector<Fetch>& fetches) {
    const auto cut = [&](const Edge& edge) -> std::pair<const KnownValue*, DType> {
      const auto found = of_edge_.find(edge);
      if (found == of_edge_.end()) return {nullptr, DType::kFloat32};
      return boundary(found->second.front());
    };
    for (const auto& [edge, values] : of_edge_) {
      const auto piece = pieces.value("op", edge, cut);
      fetches.push_back({piece.tensor, piece.placeholders, values.front(), -1});
      for (std::size_t i = 1; i < values.size(); ++i) {
        known_values_[values[i]].isolated = between(known_values_[values[i]], known_values_[values[0]]);
      }
    }
  }

  /// Each module's outputs: all values made outside of it are PyTorch's. For the model itself that is the first run.
  void plan_stages(Pieces& pieces, std::vector<Fetch>& fetches) {
    stages_[0].isolated = stages_[0].accumulated;
    for (std::size_t i = 1; i < stages_.size(); ++i) {
      const int stage = static_cast<int>(i);
      const ModuleCall& call = tree_.calls[i];
      const auto cut = [&](const Edge& edge) -> std::pair<const KnownValue*, DType> {
        const auto found = of_edge_.find(edge);
        if (found == of_edge_.end()) return {nullptr, DType::kFloat32};
        for (const int known : found->second) {
          // What was made before the module, not a later twin of one of its own values.
          if (known_values_[known].order >= call.first_node) break;
          if (!tree_.is_inside(known_values_[known].pt_value, stage)) return boundary(known);
        }
        return {nullptr, DType::kFloat32};
      };
      for (const std::string& output : call.outputs) {
        const auto found = of_pt_.find(output);
        if (found == of_pt_.end()) continue;
        for (const int known : found->second) {
          if (const KnownValue* given = cut(known_values_[known].value).first; given != nullptr) {
            raise(stages_[i].isolated, between(known_values_[known], *given));
            continue;
          }
          const auto piece = pieces.value(fmt::format("stage{}", i), known_values_[known].value, cut);
          fetches.push_back({piece.tensor, piece.placeholders, known, stage});
        }
      }
    }
  }

  /// The model's inputs, and PyTorch's values for the placeholders.
  runtime::Session::Feeds feeds_for(const Pieces& pieces, const std::set<int>& placeholders) const {
    runtime::Session::Feeds feeds = feeds_;
    for (const int placeholder : placeholders) {
      const KnownValue& known = pieces.known_value(placeholder);
      feeds.emplace_back(Pieces::placeholder_name(placeholder) + ":0",
                         to_tf_layout(values_.get(known.pt_value), known.perm, tf_dims_.at(known.value)));
    }
    return feeds;
  }

  void run_chunk(const runtime::Session& session, const Pieces& pieces, const std::vector<const Fetch*>& chunk,
                 const std::set<int>& placeholders) {
    const runtime::Session::Feeds feeds = feeds_for(pieces, placeholders);
    std::set<std::string> names;
    for (const Fetch* fetch : chunk) names.insert(fetch->tensor);
    const auto results = session.run(feeds, {names.begin(), names.end()});
    for (const Fetch* fetch : chunk) {
      KnownValue& known = known_values_[fetch->known];
      const Tensor& tf = results.at(fetch->tensor);
      const Tensor pt = values_.get(known.pt_value);
      const double error =
          tf.dims() != tf_dims_.at(known.value)
              ? std::numeric_limits<double>::infinity()
              : compare(pt, to_pt_layout(tf, known.perm, pt.dims()), values_.visibility(known.pt_value, pt.dims())).max;
      raise(fetch->stage < 0 ? known.isolated : stages_[static_cast<std::size_t>(fetch->stage)].isolated, error);
    }
  }

  bool is_over(double error, const StageResult& stage) const {
    return verify::is_over(error, request_.limit, stage.noise);
  }

  /// When a stage's error is made: the first of its own operations that is over, else its first output that is.
  int time_of_error(int stage, double limit) const {
    const auto at = static_cast<std::size_t>(stage);
    for (const OpResult& op : stages_[at].ops) {
      if (op.first_over_limit) return order_of(op.node);
    }
    int time = tree_.calls[at].last_node;
    for (const std::string& output : tree_.calls[at].outputs) {
      const auto found = of_pt_.find(output);
      if (found == of_pt_.end()) continue;
      for (const int known : found->second) {
        if (verify::is_over(known_values_[known].accumulated, limit, stages_[at].noise)) {
          time = std::min(time, known_values_[known].order);
        }
      }
    }
    return time;
  }

  int order_of(const std::string& node) const {
    const auto& nodes = request_.program.main.nodes;
    const auto found = std::ranges::find(nodes, node, &program::Node::name);
    return static_cast<int>(found - nodes.begin());
  }

  /// Stages whose isolated error is over, while that of no submodule is, or one of their own operations is as well.
  std::vector<int> innermost_over(double limit) const {
    std::vector<int> result;
    const auto is_over = [&](std::size_t i) { return verify::is_over(stages_[i].isolated, limit, stages_[i].noise); };
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (!is_over(i)) continue;
      bool is_innermost = true;
      for (std::size_t k = i + 1; k < static_cast<std::size_t>(tree_.calls[i].end); ++k) {
        is_innermost = is_innermost && !is_over(k);
      }
      // The model itself is isolated already: without an operation of its own that is over it is others' sum.
      const bool has_op = std::ranges::any_of(stages_[i].ops, &OpResult::first_over_limit);
      if (has_op || (is_innermost && i > 0)) result.push_back(static_cast<int>(i));
    }
    std::ranges::stable_sort(result, {}, [&](int stage) { return time_of_error(stage, limit); });
    return result;
  }

  void find_sources() {
    sources_ = innermost_over(request_.limit);
    spread_.places = static_cast<int>(sources_.size());
    for (const int stage : sources_) {
      spread_.largest = std::max(spread_.largest, stages_[static_cast<std::size_t>(stage)].isolated);
    }
    const bool is_any_over =
        std::ranges::any_of(stages_, [&](const StageResult& stage) { return is_over(stage.accumulated, stage); });
    using Kind = Spread::Kind;
    spread_.kind = spread_.places > 1    ? Kind::kSeveralPlaces
                   : spread_.places == 1 ? Kind::kOnePlace
                   : is_any_over         ? Kind::kGradual
                                         : Kind::kNone;
    if (spread_.kind == Kind::kGradual) sources_ = innermost_over(0);
  }

  /// The first stage that makes an error by itself; where errors only add up, the one where their sum is over first.
  void find_first() {
    int first = -1;
    if (spread_.places > 0) {
      first = sources_.front();
    } else {
      int first_time = 0;
      for (std::size_t i = 0; i < stages_.size(); ++i) {
        if (!is_over(stages_[i].accumulated, stages_[i])) continue;
        const int time = time_of_error(static_cast<int>(i), request_.limit);
        if (first < 0 || time < first_time ||
            (time == first_time && stages_[i].depth > stages_[static_cast<std::size_t>(first)].depth)) {
          first = static_cast<int>(i);
          first_time = time;
        }
      }
    }
    if (first >= 0) stages_[static_cast<std::size_t>(first)].first_over_limit = true;
    const auto silent = std::ranges::count_if(stages_, [](const StageResult& s) { return std::isnan(s.accumulated); });
    if (silent > 0) notes_.push_back(fmt::format("modules whose outputs TensorFlow does not hold: {}", silent));
  }

  void list_ops() {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      std::vector<OpResult> ops;
      bool has_first = false;
      for (const int index : tree_.calls[i].nodes) {
        const program::Node& node = request_.program.main.nodes[static_cast<std::size_t>(index)];
        OpResult op{node.target, kUnknown, "", node.name};
        if (node.call_site >= 0)
          op.source = request_.program.call_sites[static_cast<std::size_t>(node.call_site)].source;
        for (const program::Result& result : node.results) {
          for (const std::string& value : result.tensors) {
            const auto found = of_pt_.find(value);
            if (found == of_pt_.end()) continue;
            for (const int known : found->second) {
              raise(op.isolated, known_values_[known].isolated);
              if (op.tf_node.empty()) {
                op.tf_node = flow_.nodes[static_cast<std::size_t>(known_values_[known].value.node)].def.name();
              }
            }
            raise(op.noise, values_.noise(value));
          }
        }
        if (!has_first && verify::is_over(op.isolated, request_.limit, op.noise)) {
          op.first_over_limit = has_first = true;
        }
        if (!std::isnan(op.isolated)) ops.push_back(std::move(op));
      }
      if (ops.size() <= kOpsListed || is_over(stages_[i].accumulated, stages_[i]) ||
          is_over(stages_[i].isolated, stages_[i])) {
        stages_[i].ops = std::move(ops);
      }
    }
  }

  const StageRequest& request_;
  const Flow& flow_;
  const runtime::Runtime& runtime_;
  std::vector<std::string>& notes_;
  const PyTorchValues values_;
  const ModuleTree tree_;
  const std::vector<PtClaim> claims_;
  std::map<std::string, const PtClaim*> of_weight_;
  const runtime::Session::Feeds feeds_;
  std::vector<StageResult> stages_;
  std::vector<int> sources_;
  Spread spread_;
  std::vector<KnownValue> known_values_;
  std::map<Edge, std::vector<int>> of_edge_;
  std::map<std::string, std::vector<int>> of_pt_;
  std::map<Edge, Dims> tf_dims_;
};

Stages::Stages(const StageRequest& request, const Flow& flow, const runtime::Runtime& runtime,
               std::vector<std::string>& notes)
    : run_(std::make_unique<Run>(request, flow, runtime, notes)) {
  run_->measure();
}

Stages::~Stages() = default;

const std::vector<StageResult>& Stages::results() const { return run_->results(); }
const std::vector<int>& Stages::sources() const { return run_->sources(); }
Spread Stages::spread() const { return run_->spread(); }
StageValues Stages::values(int stage, bool whole) const { return run_->values(stage, whole); }

std::string_view name_of(Spread::Kind kind) {
  switch (kind) {
    case Spread::Kind::kOnePlace: return "one-place";
    case Spread::Kind::kSeveralPlaces: return "several-places";
    case Spread::Kind::kGradual: return "gradual";
    case Spread::Kind::kNone: break;
  }
  return "none";
}

}  // namespace crossload::verify
