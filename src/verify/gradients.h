// The gradient of a scalar of the outputs by each parameter, TensorFlow's against PyTorch's.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "program/program.h"
#include "verify/verify.h"

namespace crossload::verify {

/// Writes the coefficients that define the scalar, the sum of coefficient times element over all floating outputs of
/// the case, as `coefficient/<output>` into `folder`/model.safetensors; returns that file. A coefficient is 1 or -1 (by
/// a fixed rule) over the root of the count of visible elements of its output, so that the scalar is about as large as
/// the outputs are; it is 0 at positions that masks hide and at NaN and infinity.
/// Throws `kBadInput` when no output has a number to differentiate.
std::filesystem::path write_coefficients(const program::Program& program, const Case& one,
                                         const std::filesystem::path& folder);

struct Parameter {
  std::string name;
  std::vector<std::string> aliases;  // further names, of one that is tied
  bool frozen = false;               // requires_grad is False
};

struct GradientRequest {
  std::vector<Parameter> parameters;
  std::set<std::string> pt_without;  // that have no gradient in PyTorch
  std::filesystem::path pt_file;     // `parameter/<name>`, `run/<k>/<name>`, `truth/<name>`
  /// TensorFlow's variables that train, and the parameter that each is; and those of them that have no gradient.
  std::vector<std::pair<std::string, std::string>> variables;
  std::set<std::string> tf_without;
  bool is_by_layers = false;      // they were found by names of layers: a parameter without one is not compared
  std::filesystem::path tf_file;  // `gradient/<variable>`, `variable/<variable>`
  std::string error;              // why TensorFlow computes none
  /// Module path → its place in the order of execution; see GradientResult::is_first.
  std::map<std::string, int> order;
  double limit = 1e-5;
  bool strict = false;
};

/// Compares gradient by gradient as outputs are compared. One of which PyTorch's magnitudes are all within the limit
/// shows nothing: it is `unverified` unless it mismatches. A variable's layout is the one in which its values are
/// nearest to the parameter's. Throws `kBadInput` for damaged files.
GradientReport compare_gradients(const GradientRequest& request, std::vector<std::string>& notes);

/// Joins it into the result: verdict, and what the verdict does not cover.
void add_gradients(GradientReport gradients, Result& result);

/// The place in the program of the last operation of each module.
std::map<std::string, int> order_of_modules(const program::Program& program);

}  // namespace crossload::verify
