// The shapes of a result as a reader wants them.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace crossload::report {

/// One entry for each set of input shapes, with the worse errors of the signatures tried; skipped ones are left out.
std::vector<verify::ShapeResult> shapes_tried(const Report& report);

/// The shapes that were not compared: those that break a guard of the program, and those at which PyTorch fails.
std::vector<verify::DroppedShape> shapes_dropped(const Report& report);

/// The result's notes, the report's, and one for each shape skipped.
std::vector<std::string> all_notes(const Report& report);

/// `encoder.layer.0`, or `encoder.layer.0@1` for a second call; empty for the model itself.
std::string stage_name(const verify::StageResult& stage);

}  // namespace crossload::report
