#include "names/rules.h"

#include <algorithm>
#include <numeric>

#include "base/permutation.h"

namespace crossload::names {
namespace {

// Modules with a weight of rank 2 whose name says that it is looked up, not multiplied with.
constexpr std::string_view kEmbeddings[] = {
    "*embeddings", "token_type_embeddings_#", "*_embedding", "embed_*", "shared", "wte", "wpe"};

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_anchors(std::string_view text) {
  if (text.starts_with('^')) text.remove_prefix(1);
  if (text.ends_with('$')) text.remove_suffix(1);
  return text;
}

/// The other side's pattern is tied to begin and end as this one is.
std::string with_anchors_of(std::string_view anchored, std::string_view text) {
  return std::string(anchored.starts_with('^') ? "^" : "") + std::string(text) + (anchored.ends_with('$') ? "$" : "");
}

Dims permuted(const Dims& dims, const std::vector<int>& permutation) {
  if (permutation.empty()) return dims;
  Dims result;
  for (const int axis : permutation) result.push_back(dims[static_cast<std::size_t>(axis)]);
  return result;
}

/// From PyTorch's axes to TensorFlow's.
std::vector<int> permutation_of(Kind kind, std::size_t rank) {
  std::vector<int> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  switch (kind) {
    case Kind::kDense:
    case Kind::kConvolution:  // [out, in, height, width] → [height, width, in, out]; transposed ones swap both names
      if (rank < 2) return {};
      std::rotate(axes.begin(), axes.begin() + 2, axes.end());
      std::swap(axes[rank - 2], axes[rank - 1]);
      return axes;
    case Kind::kDepthwise:
      if (rank != 3) return {};
      return {2, 0, 1};
    default: return {};
  }
}

bool has_form(const Dims& dims, std::string_view form) {
  if (dims.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '1' && dims[i] != 1) return false;
  }
  return true;
}

DType in_tf(DType dtype) { return dtype == DType::kInt64 ? DType::kInt32 : dtype; }
DType in_pt(DType dtype) { return dtype == DType::kInt32 ? DType::kInt64 : dtype; }

}  // namespace

Rules::Rules(std::string_view model_type) {
  for (const auto& row : path_rows()) {
    if (!names_type(row.types, model_type)) continue;
    const bool outside = row.tf.starts_with('/');
    const std::string_view tf = row.tf.substr(outside ? 1 : 0);
    paths_.push_back(
        {Pattern(row.pt, '.'), Pattern(with_anchors_of(row.pt, tf), '/'), without_anchors(row.pt), tf, outside});
  }
  for (const auto& row : kind_rows()) {
    if (names_type(row.types, model_type)) kinds_.push_back({Pattern(row.pt, '.'), row.kind});
  }
  for (const auto& row : dims_rows()) {
    if (names_type(row.types, model_type)) dims_.push_back({Pattern(row.name, '.'), row.pt, row.tf});
  }
  for (const auto& name : kEmbeddings) embeddings_.push_back({Pattern(name, '.'), Kind::kEmbedding});
}

const Kind* Rules::kind_row(const Path& path) const {
  const bool is_of_module = path.back() == "weight" || path.back() == "bias";
  const std::span<const std::string> owner(path.data(), path.size() - (is_of_module ? 1 : 0));
  for (const auto& row : kinds_) {
    if (row.pt.match_end(owner)) return &row.kind;
  }
  return nullptr;
}

Kind Rules::kind(const Path& path, const Dims* weight_dims) const {
  if (const Kind* row = kind_row(path)) return *row;
  if (weight_dims == nullptr || path.size() < 2) return Kind::kBare;
  if (weight_dims->size() <= 1) return Kind::kNormalization;
  if (weight_dims->size() > 2) return Kind::kConvolution;
  const std::span<const std::string> owner(path.data(), path.size() - 1);
  const bool is_embedding =
      std::ranges::any_of(embeddings_, [&](const auto& e) { return e.pt.match_end(owner).has_value(); });
  return is_embedding ? Kind::kEmbedding : Kind::kDense;
}

Rules::Name Rules::to_tf(const Path& path, DType dtype, const Dims& dims, const Dims* weight_dims) const {
  std::string leaf = path.back();
  const bool is_weight = leaf == "weight", is_bias = leaf == "bias";
  const Kind kind = this->kind(path, is_weight ? &dims : is_bias ? weight_dims : nullptr);
  std::vector<int> permutation;
  if (is_weight) {
    switch (kind) {
      case Kind::kDense:
      case Kind::kConvolution: leaf = "kernel"; break;
      case Kind::kNormalization: leaf = "gamma"; break;
      case Kind::kEmbedding: leaf = "embeddings"; break;
      default: break;
    }
  } else if (is_bias && kind == Kind::kNormalization) {
    leaf = "beta";
  } else if (leaf == "running_mean") {
    leaf = "moving_mean";
  } else if (leaf == "running_var") {
    leaf = "moving_variance";
  }
  if (!is_bias) permutation = permutation_of(kind, dims.size());
  Dims tf_dims = with_other_dims(path, permuted(dims, permutation), true);
  if (is_bias && kind == Kind::kConv1D && dims.size() == 1) tf_dims = {1, dims[0]};
  return {tf_path(path, leaf), {std::move(permutation), std::move(tf_dims), in_tf(dtype)}};
}

std::string Rules::tf_path(const Path& path, const std::string& leaf) const {
  Path result;
  bool outside_scope = false;
  for (std::size_t i = 0; i < path.size();) {
    std::optional<Pattern::Match> match;
    const auto row =
        std::ranges::find_if(paths_, [&](const auto& r) { return (match = r.pt.match_at(path, i)).has_value(); });
    if (row != paths_.end()) {
      for (auto& component : split(filled(row->tf_text, match->captured), '/')) result.push_back(std::move(component));
      outside_scope |= row->outside_scope;
      i = match->end;
      continue;
    }
    const std::string& component = i + 1 == path.size() ? leaf : path[i];
    if (is_number(component) && !result.empty()) {
      result.back() += "_._" + component;
    } else {
      result.push_back(component);
    }
    ++i;
  }
  return (outside_scope ? "/" : "") + join(result, '/');
}

Rules::Name Rules::to_pt(std::string_view path, DType dtype, const Dims& dims) const {
  const bool outside_scope = path.starts_with('/');
  const Path tf_path = split(path.substr(outside_scope ? 1 : 0), '/');
  const Path pt_path = this->pt_path(tf_path, outside_scope);
  if (pt_path.empty()) return {};
  const bool is_kernel = tf_path.back() == "kernel" || tf_path.back() == "pointwise_kernel";
  const Kind* row = kind_row(pt_path);
  Kind kind = is_kernel ? Kind::kDense : Kind::kBare;
  if (row != nullptr && !is_kernel) kind = *row;
  std::vector<int> permutation =
      pt_path.back() == "bias" ? std::vector<int>{} : inverse(permutation_of(kind, dims.size()));
  Dims pt_dims = with_other_dims(pt_path, permuted(dims, permutation), false);
  if (pt_path.back() == "bias" && kind == Kind::kConv1D && dims.size() == 2 && dims[0] == 1) pt_dims = {dims[1]};
  return {join(pt_path, '.'), {std::move(permutation), std::move(pt_dims), in_pt(dtype)}};
}

Path Rules::pt_path(Path path, bool outside_scope) const {
  Path result;
  for (std::size_t i = 0; i < path.size();) {
    std::optional<Pattern::Match> match;
    const auto row = std::ranges::find_if(paths_, [&](const auto& r) {
      return r.outside_scope == outside_scope && (match = r.tf.match_at(path, i)).has_value();
    });
    if (row != paths_.end()) {
      for (auto& component : split(filled(row->pt_text, match->captured), '.')) result.push_back(std::move(component));
      i = match->end;
      outside_scope = false;
      continue;
    }
    std::string component = std::move(path[i]);
    if (i + 1 == path.size()) {
      if (component == "kernel" || component == "embeddings" || component == "gamma") component = "weight";
      if (component == "beta") component = "bias";
      if (component == "moving_mean") component = "running_mean";
      if (component == "moving_variance") component = "running_var";
    }
    if (const std::size_t mark = component.rfind("___"); mark != component.npos) component.erase(0, mark + 3);
    for (std::size_t at; (at = component.find("_._")) != component.npos;) component.replace(at, 3, ".");
    for (auto& part : split(component, '.')) {
      if (!part.empty()) result.push_back(std::move(part));
    }
    ++i;
  }
  return result;
}

bool Rules::is_outside_scope(std::string_view name) const {
  const Path path = split(name, '/');
  return std::ranges::any_of(paths_, [&](const auto& row) { return row.outside_scope && row.tf.match_at(path, 0); });
}

Dims Rules::with_other_dims(const Path& pt_path, Dims dims, bool to_tf) const {
  for (const auto& row : dims_) {
    const std::string_view from = to_tf ? row.pt : row.tf, to = to_tf ? row.tf : row.pt;
    if (!has_form(dims, from) || !row.name.match_end(pt_path)) continue;
    const std::size_t n = from.find('n');
    const int64_t size = n == from.npos ? 1 : dims[n];
    Dims result;
    for (const char c : to) result.push_back(c == 'n' ? size : 1);
    return result;
  }
  return dims;
}

}  // namespace crossload::names
