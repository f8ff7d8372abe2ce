// What a difference looks like: pairs of values, and where in the tensor the error sits.
#pragma once

#include <string>
#include <vector>

#include "base/sym.h"
#include "base/tensor.h"
#include "verify/outputs.h"
#include "verify/verify.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// The picture of a PyTorch value and what TensorFlow has in its place, both floating and of the same shape; nothing
/// where no element is visible. Points: some hundred pairs, spread over the tensor, the worst ones among them. The two
/// axes shown are those along which the mean error is most uneven; cells hold the largest error in their part of them.
/// names: of the axes, see `axis_names`; may be shorter.
std::optional<ErrorPicture> picture_of(const Tensor& pt, const Tensor& tf, const Visibility& visible,
                                       const std::vector<std::string>& names);

/// Of the output with the largest error; nothing where it has no picture.
std::optional<ErrorPicture> picture_of_worst(const program::Program& program, const CaseValues& pytorch,
                                             const Masks& masks, const std::map<std::string, Tensor>& tf,
                                             const std::vector<OutputResult>& outputs);

/// Whether it has real floating-point numbers.
bool is_real(const Tensor& tensor);

/// What each axis of a value is, as far as its sizes in the program tell: `batch`, `position`, `head`, `channel`,
/// `row`, `column`, else `axis 2`. `text`: the sizes of a mask or of token ids, batch first; empty for a model without.
std::vector<std::string> axis_names(const SymDims& dims, const SymDims& text, const Sym& batch);
/// The same of a value of the program.
std::vector<std::string> axis_names(const program::Program& program, const SymDims& dims);

}  // namespace crossload::verify
