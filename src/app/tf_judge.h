// TensorFlow weights against the PyTorch model that they were made from: all its outputs and hidden states.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"

namespace crossload::app {

/// Whether Transformers calls an output a hidden state; `last_hidden_state` is one as well.
bool is_hidden_state(const std::string& output);

/// One output at the example inputs. Figures are max |pt - tf|, absolute, at the positions that the attention mask
/// leaves visible; infinite for other shapes or dtypes.
struct JudgedOutput {
  std::string name;         // `logits`, `hidden_states.3`
  double crossload = 0;     // TensorFlow with PyTorch's weights
  double conversion = 0;    // TensorFlow with the weights that were written
  double padded = 0;        // the larger one at hidden positions
  bool is_excused = false;  // no further from float64 than PyTorch's own float32 runs

  bool is_hidden() const { return is_hidden_state(name); }
  /// Whether its noise floor may excuse it: hidden states only, never a model's final outputs.
  bool may_be_excused() const { return name.find("hidden_states") != std::string::npos; }
  bool is_over(double limit) const;
  bool is_conversion_over(double limit) const;
};

struct Judgement {
  std::string judge;       // `tf-class`, `savedmodel`
  std::string class_name;  // of PyTorch
  std::string tf_class;    // empty where no TensorFlow class was run
  std::vector<JudgedOutput> outputs;
  std::vector<std::string> unused, missing;  // as the TensorFlow class tells of loading
  std::vector<std::string> notes;
  std::map<std::string, std::string> versions;
};

struct JudgeRequest {
  ModelRequest model;             // `model` is the folder of the PyTorch weights, `model_class` of PyTorch or empty
  std::filesystem::path weights;  // folder with `tf_model.h5` or its shards, and `config.json`
  double limit = 0;
};

class TfJudge {
 public:
  virtual ~TfJudge() = default;
  /// Throws `kMismatch` when the two sides return different outputs, `kBadInput` for weights that the class cannot
  /// load, and what Python reports.
  virtual Judgement judge(const JudgeRequest& request, const Progress& progress) = 0;
  /// The Python that knows the classes that are compared.
  virtual PythonSide& python() = 0;
};

/// The TensorFlow class of Transformers 4 where an interpreter has one: that of `given`, or `.venv-tf4` beside its
/// virtual environment or beside this program's. Else our SavedModel of the weights, by the machinery of `convert` in
/// `environment`, whose worker is `python`. Both outlive the judge. `start` starts the worker of another environment.
/// Either compares in float32, whatever the weights are in.
std::unique_ptr<TfJudge> find_judge(const PythonEnvironment& given, const PythonEnvironment& environment,
                                    PythonSide& python, const StartPython& start);

/// Where Transformers 4 with TensorFlow classes is: `given`, `CROSSLOAD_TF4`, or `.venv-tf4` beside either program.
std::optional<PythonEnvironment> find_tf4(const PythonEnvironment& given);

/// Our package's sources: installed there, or where an editable installation takes them from; may be empty.
std::filesystem::path find_package(const PythonEnvironment& environment);

/// Whether Transformers 4 and what its TensorFlow classes need are installed there.
bool has_tf_classes(const PythonEnvironment& environment);

}  // namespace crossload::app
