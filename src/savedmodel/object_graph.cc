// Node 0 is the root, nodes 1 … n the variables; functions, signatures and lists follow. The checkpoint's graph holds
// the root and the variables, under the same numbers and names.
//
// Rules of the loader (tried, TensorFlow 2.21): every user object needs a version; each concrete function of a
// SavedFunction must bind to its argument list; keyword arguments stand in the order of their names, results too; a
// concrete function is used once only, because each use binds the variables to it once more.
#include "savedmodel/object_graph.h"

#include <algorithm>
#include <set>

namespace crossload::savedmodel {
namespace {

using tf::StructuredValue;

tf::TensorSpecProto spec_of(const Port& port, const std::string& name) {
  tf::TensorSpecProto spec;
  spec.set_name(name);
  *spec.mutable_shape() = port.shape;
  spec.set_dtype(port.dtype);
  return spec;
}

StructuredValue none() {
  StructuredValue value;
  value.mutable_none_value();
  return value;
}

StructuredValue list_of(const std::vector<std::string>& texts) {
  StructuredValue value;
  auto& list = *value.mutable_list_value();
  for (const std::string& text : texts) list.add_values()->set_string_value(text);
  return value;
}

StructuredValue dict_of(const std::vector<Port>& ports) {
  StructuredValue value;
  auto& fields = *value.mutable_dict_value()->mutable_fields();
  for (const Port& port : ports) *fields[port.name].mutable_tensor_spec_value() = spec_of(port, port.name);
  return value;
}

/// (positional, keywords) as a concrete function's canonical signature.
StructuredValue canonical(const StructuredValue& positional, const StructuredValue& keywords) {
  StructuredValue value;
  auto& pair = *value.mutable_tuple_value();
  *pair.add_values() = positional;
  *pair.add_values() = keywords;
  return value;
}

StructuredValue empty_tuple() {
  StructuredValue value;
  value.mutable_tuple_value();
  return value;
}

StructuredValue empty_dict() {
  StructuredValue value;
  value.mutable_dict_value();
  return value;
}

tf::FunctionSpec spec_with(const std::vector<std::string>& args, const std::vector<std::string>& keyword_only) {
  tf::FunctionSpec spec;
  auto& tuple = *spec.mutable_fullargspec()->mutable_named_tuple_value();
  tuple.set_name("FullArgSpec");
  const auto add = [&](const char* key, const StructuredValue& value) {
    auto& pair = *tuple.add_values();
    pair.set_key(key);
    *pair.mutable_value() = value;
  };
  add("args", list_of(args));
  add("varargs", none());
  add("varkw", none());
  add("defaults", none());
  add("kwonlyargs", list_of(keyword_only));
  add("kwonlydefaults", none());
  add("annotations", empty_dict());
  *spec.mutable_input_signature() = none();
  return spec;
}

std::vector<std::string> python_names(const Function& function) {
  Namer names;
  std::vector<std::string> result;
  for (const Port& port : function.inputs) result.push_back(names.unique(python_name(port.name)));
  return result;
}

/// Names of the variables as attributes of the root, apart from those that the root has itself.
std::vector<std::string> attribute_names(const std::vector<graph::Variable>& variables) {
  Namer names;
  for (const char* taken : {"__call__", "serve", "signatures", "variables", "trainable_variables"})
    names.reserve(taken);
  std::vector<std::string> result;
  for (const graph::Variable& variable : variables) result.push_back(names.unique(variable.name));
  return result;
}

class ObjectGraphWriter {
 public:
  explicit ObjectGraphWriter(const ObjectGraphParts& parts) : parts_(parts) {}

  tf::SavedObjectGraph write() {
    add_user_object("_generic_user_object");
    add_variables();
    add_list("variables", false);
    add_list("trainable_variables", true);
    add_call();
    add_serve();
    add_signatures();
    return std::move(graph_);
  }

 private:
  static constexpr int kRoot = 0;

  int add_node() {
    graph_.add_nodes();
    return graph_.nodes_size() - 1;
  }

  int add_user_object(const char* identifier) {
    const int id = add_node();
    auto& object = *graph_.mutable_nodes(id)->mutable_user_object();
    object.set_identifier(identifier);
    object.mutable_version()->set_producer(1);
    object.mutable_version()->set_min_consumer(1);
    return id;
  }

  void add_child(int parent, const std::string& name, int child) {
    auto& reference = *graph_.mutable_nodes(parent)->add_children();
    reference.set_node_id(child);
    reference.set_local_name(name);
  }

  void add_variables() {
    const std::vector<std::string> names = attribute_names(parts_.variables);
    for (std::size_t i = 0; i < parts_.variables.size(); ++i) {
      const graph::Variable& variable = parts_.variables[i];
      const int id = add_node();
      auto& saved = *graph_.mutable_nodes(id)->mutable_variable();
      saved.set_dtype(to_tf(variable.dtype));
      *saved.mutable_shape() = to_tf(variable.dims);
      saved.set_trainable(is_trainable(variable));
      saved.set_name(node_name(variable.name));
      add_child(kRoot, names[i], id);
      variable_ids_.push_back(id);
    }
  }

  static bool is_trainable(const graph::Variable& variable) {
    return variable.trainable && (is_floating(variable.dtype) || is_complex(variable.dtype));
  }

  void add_list(const char* name, bool only_trainable) {
    const int id = add_user_object("trackable_list_wrapper");
    int count = 0;
    for (std::size_t i = 0; i < variable_ids_.size(); ++i) {
      if (only_trainable && !is_trainable(parts_.variables[i])) continue;
      add_child(id, std::to_string(count++), variable_ids_[i]);
    }
    add_child(kRoot, name, id);
  }

  void add_concrete(const Function& function, StructuredValue signature) {
    auto& concrete = (*graph_.mutable_concrete_functions())[function.name];
    for (const int id : variable_ids_) concrete.add_bound_inputs(id);
    *concrete.mutable_canonicalized_input_signature() = std::move(signature);
    *concrete.mutable_output_signature() = dict_of(function.outputs);
  }

  void add_call() {
    const int id = add_node();
    const std::vector<std::string> names = python_names(parts_.calls.front());
    for (const Function& function : parts_.calls) {
      StructuredValue positional;
      auto& tuple = *positional.mutable_tuple_value();
      for (std::size_t i = 0; i < names.size(); ++i) {
        *tuple.add_values()->mutable_tensor_spec_value() = spec_of(function.inputs[i], names[i]);
      }
      add_concrete(function, canonical(positional, empty_dict()));
      graph_.mutable_nodes(id)->mutable_function()->add_concrete_functions(function.name);
    }
    *graph_.mutable_nodes(id)->mutable_function()->mutable_function_spec() = spec_with(names, {});
    add_child(kRoot, "__call__", id);
  }

  void add_serve() {
    const int id = add_node();
    for (const Function& function : parts_.serves) {
      StructuredValue positional;
      *positional.mutable_tuple_value()->add_values() = dict_of(function.inputs);
      add_concrete(function, canonical(positional, empty_dict()));
      graph_.mutable_nodes(id)->mutable_function()->add_concrete_functions(function.name);
    }
    *graph_.mutable_nodes(id)->mutable_function()->mutable_function_spec() = spec_with({"inputs"}, {});
    add_child(kRoot, "serve", id);
  }

  void add_signatures() {
    const int map = add_user_object("signature_map");
    for (const auto& [name, function] : parts_.signatures) {
      const int id = add_node();
      add_child(map, name, id);
      auto& bare = *graph_.mutable_nodes(id)->mutable_bare_concrete_function();
      bare.set_concrete_function_name(function.name);
      bool all_identifiers = true;
      std::vector<std::string> keywords;
      for (const Port& port : function.inputs) {
        keywords.push_back(port.name);
        bare.add_argument_keywords(port.name);
        all_identifiers = all_identifiers && python_name(port.name) == port.name;
      }
      // One argument may also come by position; several would be ambiguous.
      bare.set_allowed_positional_arguments(keywords.size() == 1 ? 1 : 0);
      // Python refuses an argument list with `past.0` in it; without one the keywords still work.
      if (all_identifiers) *bare.mutable_function_spec() = spec_with({}, keywords);
      add_concrete(function, canonical(empty_tuple(), dict_of(function.inputs)));
    }
    add_child(kRoot, "signatures", map);
  }

  const ObjectGraphParts& parts_;
  tf::SavedObjectGraph graph_;
  std::vector<int> variable_ids_;
};

}  // namespace

std::string checkpoint_key(const graph::Variable& variable) { return variable.name + "/.ATTRIBUTES/VARIABLE_VALUE"; }

tf::SavedObjectGraph make_object_graph(const ObjectGraphParts& parts) { return ObjectGraphWriter(parts).write(); }

tf::TrackableObjectGraph make_checkpoint_graph(const std::vector<graph::Variable>& variables) {
  tf::TrackableObjectGraph graph;
  auto& root = *graph.add_nodes();
  const std::vector<std::string> names = attribute_names(variables);
  for (std::size_t i = 0; i < variables.size(); ++i) {
    auto& reference = *root.add_children();
    reference.set_node_id(static_cast<int>(i) + 1);
    reference.set_local_name(names[i]);
  }
  for (const graph::Variable& variable : variables) {
    auto& tensor = *graph.add_nodes()->add_attributes();
    tensor.set_name("VARIABLE_VALUE");
    tensor.set_full_name(node_name(variable.name));
    tensor.set_checkpoint_key(checkpoint_key(variable));
  }
  return graph;
}

}  // namespace crossload::savedmodel
