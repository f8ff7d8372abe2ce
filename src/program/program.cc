#include "program/program.h"

#include "base/error.h"

namespace crossload::program {

const Argument* Node::find(std::string_view argument) const {
  for (const NamedArgument& a : arguments) {
    if (a.name == argument) return &a.value;
  }
  return nullptr;
}

const ProgramInput* Program::find_input(InputKind kind, std::string_view name) const {
  for (const ProgramInput& input : inputs) {
    if (input.kind == kind && input.name == name) return &input;
  }
  return nullptr;
}

const TensorType& Program::type_of(const std::string& value) const {
  const auto found = main.tensors.find(value);
  if (found == main.tensors.end()) internal_error("program: no tensor value `{}`", value);
  return found->second;
}

}  // namespace crossload::program
