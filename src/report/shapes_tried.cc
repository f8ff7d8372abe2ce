#include "report/shapes_tried.h"

#include <fmt/format.h>

#include <algorithm>

namespace crossload::report {

std::vector<verify::ShapeResult> shapes_tried(const Report& report) {
  std::vector<verify::ShapeResult> result;
  for (const verify::ShapeResult& shape : report.result.shapes) {
    if (shape.skipped) continue;
    const auto same = std::ranges::find_if(
        result, [&](const auto& known) { return known.inputs == shape.inputs && known.label == shape.label; });
    if (same == result.end()) {
      result.push_back(shape);
      continue;
    }
    same->max_error = std::max(same->max_error, shape.max_error);
    same->padded_error = std::max(same->padded_error, shape.padded_error);
    same->signature += ", " + shape.signature;
  }
  return result;
}

std::vector<verify::DroppedShape> shapes_dropped(const Report& report) {
  std::vector<verify::DroppedShape> result = report.result.dropped;
  for (const verify::ShapeResult& shape : report.result.shapes) {
    if (shape.skipped) result.push_back({shape.label, shape.inputs, *shape.skipped});
  }
  return result;
}

std::vector<std::string> all_notes(const Report& report) {
  std::vector<std::string> notes = report.notes;
  notes.insert(notes.end(), report.result.notes.begin(), report.result.notes.end());
  for (const verify::DroppedShape& shape : report.result.dropped) {
    notes.push_back(fmt::format("{}: not compared: {}", shape.label, shape.reason));
  }
  for (const verify::ShapeResult& shape : report.result.shapes) {
    if (shape.skipped)
      notes.push_back(fmt::format("{}: not tried, PyTorch fails there: {}", shape.label, *shape.skipped));
  }
  return notes;
}

std::string stage_name(const verify::StageResult& stage) {
  return stage.call == 0 ? stage.module : fmt::format("{}@{}", stage.module, stage.call);
}

}  // namespace crossload::report
