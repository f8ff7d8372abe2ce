// Rules as text: Python expressions with holes, and PyTorch signatures that fill them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "port/node.h"

namespace crossload::port {

/// Parses the part of Python's expressions that rules use; `$name` is a hole (kind `Hole`). Throws `kInternal` for
/// anything else: rules are ours.
Node parse_expression(std::string_view text);

/// `torch.cat(tensors, dim=0)`: the name and parameters of a call. `*shape` takes the rest, `_device` is dropped.
struct Signature {
  struct Parameter {
    std::string name;
    bool has_default = false;
    bool is_rest = false;
    Node value;  // the default
  };
  std::string name;
  std::vector<Parameter> parameters;
};

Signature parse_signature(std::string_view text);

using Bindings = std::map<std::string, Node>;

/// The arguments of a call by parameter name, defaults filled in; a `Rest` of several becomes a list. What does not fit
/// is told in `problem`, and nothing is bound. `self` is the receiver of a method.
bool bind_arguments(const Signature& signature, const Node* self, const std::vector<Node>& arguments, Bindings& bound,
                    std::string& problem);

/// The pattern with its holes filled. A keyword argument whose hole is None is left out.
Node fill(const Node& pattern, const Bindings& bound);

}  // namespace crossload::port
