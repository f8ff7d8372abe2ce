// The model's outputs against PyTorch's, shape by shape, and what follows for the verdict.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "checkpoint/checkpoint.h"
#include "program/program.h"
#include "savedmodel/artefact.h"
#include "verify/verify.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// What PyTorch computed for one case.
struct CaseValues {
  std::map<std::string, Tensor> inputs;
  std::map<std::string, std::vector<Tensor>> runs;  // by output; run 0 is the eager model
  std::map<std::string, Tensor> truth;
};
/// Throws `kBadInput` when an output's runs differ in shape or run 0 is missing.
CaseValues read_case(const std::filesystem::path& file);

/// Integers to another integer dtype, floats to another float dtype. Throws `kBadInput` for any other pair and for a
/// value out of range.
Tensor converted(const Tensor& tensor, DType dtype, const std::string& name);

/// The values that the signature takes, by tensor name. Throws `kBadInput` when one is missing.
std::vector<std::pair<std::string, Tensor>> feeds_of(const std::map<std::string, savedmodel::Port>& ports,
                                                     const std::map<std::string, Tensor>& inputs);

/// The masks of a case. An input's name may be misleading, or say nothing, about whether its ones or its zeros are
/// padding. Where PyTorch's own runs differ by more than rounding, but agree once the positions that one reading of one
/// input hides are left out, that reading is taken and `notes` says so. TensorFlow's values have no influence on it.
Masks masks_of(const program::Program& program, const CaseValues& pytorch, std::vector<std::string>& notes);

/// The sizes of an output in the program; empty when it is no tensor there.
SymDims symbolic_dims(const program::Program& program, const std::string& output);

/// Compares what TensorFlow computed (`tf`, by output name) with PyTorch's values. Fills everything but the verdict.
std::vector<OutputResult> compare_outputs(const program::Program& program, const CaseValues& pytorch,
                                          const Masks& masks, const std::map<std::string, Tensor>& tf,
                                          std::vector<std::string>& notes);

/// The verdict of one output at one shape: within the limit, else no further from the truth than PyTorch itself.
Verdict judge(const OutputResult& output, double limit);
/// Joins the outputs of another shape into those so far: the worse verdict, the figures of the worse shape.
void merge(std::vector<OutputResult>& into, const std::vector<OutputResult>& shape);

/// The verdict of the whole from its outputs at all shapes, and what it does not cover.
void settle_verdict(Result& result, bool strict);

}  // namespace crossload::verify
