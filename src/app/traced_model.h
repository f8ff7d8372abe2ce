// A model with its trace and its program: what a conversion and a later verification both start from.
#pragma once

#include <optional>

#include "app/convert.h"
#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"
#include "app/trace_cache.h"
#include "checkpoint/checkpoint.h"
#include "graph/graph.h"
#include "program/program.h"
#include "report/report.h"

namespace crossload::app {

struct TracedModel {
  ModelFiles files;
  std::optional<Checkpoint> checkpoint;  // of a model folder
  std::optional<Trace> trace;
  program::Program program;
};

/// Finds the model, opens its checkpoint, takes or makes its trace and reads the program. Operations without a lowering
/// are taken apart by PyTorch where it can. Fills in what the report says of the model. Throws `kBadInput` when the
/// checkpoint lacks weights of the class that its configuration names.
TracedModel read_traced_model(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                              const Progress& progress, report::Report& report);

/// Of a model whose files are found already; weights may be missing.
TracedModel read_traced_model(const ConvertRequest& request, ModelFiles files, const PythonEnvironment& environment,
                              PythonSide& python, const Progress& progress, report::Report& report);

/// Throws `kBadInput` when the checkpoint lacks weights of the class that its configuration names.
void require_all_weights(const ModelRequest& request, const TracedModel& traced);

/// Bytes of all variables of a graph.
uint64_t bytes_of(const graph::Graph& graph);

}  // namespace crossload::app
