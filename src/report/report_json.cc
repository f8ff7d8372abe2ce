#include <fmt/format.h>

#include <string>

#include "base/json_number.h"
#include "report/report.h"
#include "report/shapes_tried.h"

namespace crossload::report {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return json_number(value); }

/// The shortest decimal number that is this float.
double short_number(float value) { return std::stod(fmt::format("{}", value)); }

/// Names come from files; what is no UTF-8 in them must not stop the report.
Json valid(const Json& json) {
  return Json::parse(json.dump(-1, ' ', false, nlohmann::detail::error_handler_t::replace));
}

Json notes_json(const std::vector<verify::LayerNote>& notes) {
  Json list = Json::array();
  for (const verify::LayerNote& note : notes) {
    list.push_back({{"module", note.module}, {"layer", note.layer}, {"reason", note.reason}});
  }
  return list;
}

Json layers_json(const verify::LayerReport& layers) {
  return {{"without_module", layers.without_module},
          {"without_layer", layers.without_layer},
          {"other_structure", notes_json(layers.other_structure)},
          {"not_isolated", notes_json(layers.not_isolated)}};
}

Json picture_json(const verify::ErrorPicture& picture) {
  Json points = Json::array(), errors = Json::array();
  // As text that says a float32 exactly, not the double nearest to it.
  for (const auto& [pt, tf] : picture.points) points.push_back({short_number(pt), short_number(tf)});
  for (const double error : picture.errors) errors.push_back(number(error));
  return {{"output", picture.output.empty() ? Json(nullptr) : Json(picture.output)},
          {"module", picture.output.empty() ? Json(picture.module) : Json(nullptr)},
          {"value", picture.value.empty() ? Json(nullptr) : Json(picture.value)},
          {"shape", picture.shape},
          {"max_error", number(picture.max_error)},
          {"worst", picture.worst},
          {"points", std::move(points)},
          {"axis_names", picture.axis_names},
          {"axes", picture.axes},
          {"cells", picture.cells},
          {"errors", std::move(errors)}};
}

Json gradients_json(const verify::GradientReport& gradients) {
  Json parameters = Json::array();
  for (const verify::GradientResult& one : gradients.parameters) {
    parameters.push_back({{"name", one.of.name},
                          {"variable", one.variable},
                          {"shape", one.of.shape},
                          {"dtype", name_of(one.of.dtype)},
                          {"max_error", number(one.of.max_error)},
                          {"mean_error", number(one.of.mean_error)},
                          {"cosine", number(one.of.cosine)},
                          {"largest", number(one.largest)},
                          {"noise", number(one.of.noise)},
                          {"tf_truth", number(one.of.tf_truth)},
                          {"pt_truth", number(one.of.pt_truth)},
                          {"verdict", verify::name_of(one.of.verdict)},
                          {"first_over_limit", one.is_first}});
  }
  return {{"verdict", verify::name_of(gradients.verdict)},
          {"max_error", number(gradients.max_error)},
          {"parameters", std::move(parameters)},
          {"without", gradients.without},
          {"only_pytorch", gradients.only_pytorch},
          {"only_tensorflow", gradients.only_tensorflow},
          {"unpaired", gradients.unpaired},
          {"untied", gradients.untied},
          {"frozen", gradients.frozen},
          {"error", gradients.error.empty() ? Json(nullptr) : Json(gradients.error)}};
}

}  // namespace

nlohmann::ordered_json to_json(const Report& report) {
  const verify::Result& result = report.result;
  Json json = {{"model", report.model},
               {"commit", report.commit.empty() ? Json(nullptr) : Json(report.commit)},
               {"class", report.model_class},
               {"against", report.against.empty() ? Json(nullptr) : Json(report.against)},
               {"model_type", report.model_type},
               {"verdict", verify::name_of(result.verdict)},
               {"verdict_note", result.verdict_note.empty() ? Json(nullptr) : Json(result.verdict_note)},
               {"max_error", number(result.max_error)},
               {"limit", number(result.limit)},
               {"dynamic", report.dynamic}};
  Json& shapes = json["shapes"] = Json::array();
  for (const verify::ShapeResult& shape : shapes_tried(report)) {
    Json inputs = Json::object();
    for (const auto& [name, dims] : shape.inputs) inputs[name] = dims;
    shapes.push_back({{"inputs", std::move(inputs)},
                      {"max_error", number(shape.max_error)},
                      {"padded_error", number(shape.padded_error)}});
  }
  Json& dropped = json["dropped_shapes"] = Json::array();
  for (const verify::DroppedShape& shape : shapes_dropped(report)) {
    Json inputs = Json::object();
    for (const auto& [name, dims] : shape.inputs) inputs[name] = dims;
    dropped.push_back({{"shape", shape.label}, {"inputs", std::move(inputs)}, {"reason", shape.reason}});
  }
  Json& fixed = json["fixed_axes"] = Json::array();
  for (const FixedAxis& axis : report.fixed_axes) {
    fixed.push_back({{"input", axis.input}, {"axis", axis.axis}, {"size", axis.size}, {"reason", axis.reason}});
  }
  Json& outputs = json["outputs"] = Json::array();
  for (const verify::OutputResult& output : result.outputs) {
    outputs.push_back({{"name", output.name},
                       {"shape", output.shape},
                       {"dtype", name_of(output.dtype)},
                       {"max_error", number(output.max_error)},
                       {"mean_error", number(output.mean_error)},
                       {"cosine", number(output.cosine)},
                       {"noise", number(output.noise)},
                       {"tf_truth", number(output.tf_truth)},
                       {"pt_truth", number(output.pt_truth)},
                       {"verdict", verify::name_of(output.verdict)}});
  }
  Json& stages = json["stages"] = Json::array();
  for (const verify::StageResult& stage : result.stages) {
    Json ops = Json::array();
    for (const verify::OpResult& op : stage.ops) {
      ops.push_back({{"op", op.op},
                     {"isolated", number(op.isolated)},
                     {"noise", number(op.noise)},
                     {"source", op.source},
                     {"node", op.node},
                     {"tf_node", op.tf_node},
                     {"first_over_limit", op.first_over_limit}});
    }
    stages.push_back({{"module", stage_name(stage)},
                      {"class", stage.module_class},
                      {"layer", stage.layer.empty() ? Json(nullptr) : Json(stage.layer)},
                      {"accumulated", number(stage.accumulated)},
                      {"isolated", number(stage.isolated)},
                      {"noise", number(stage.noise)},
                      {"tf_truth", number(stage.tf_truth)},
                      {"first_over_limit", stage.first_over_limit},
                      {"ops", std::move(ops)}});
  }
  Json& choices = json["choices"] = Json::array();
  for (const verify::ChoiceResult& choice : result.choices) {
    choices.push_back({{"op", choice.op},
                       {"module", choice.module},
                       {"source", choice.source},
                       {"node", choice.node},
                       {"shape", choice.shape},
                       {"count", choice.count},
                       {"pt_scores", Json::array({number(choice.pt_scores[0]), number(choice.pt_scores[1])})},
                       {"tf_scores", Json::array({number(choice.tf_scores[0]), number(choice.tf_scores[1])})},
                       {"margin", number(choice.margin)},
                       {"noise", number(choice.noise)},
                       {"is_tie", choice.is_tie}});
  }
  json["layers"] = result.layers ? layers_json(*result.layers) : Json(nullptr);
  json["spread"] = {{"kind", verify::name_of(result.spread.kind)},
                    {"places", result.spread.places},
                    {"largest", number(result.spread.largest)}};
  Json& pictures = json["pictures"] = Json::array();
  for (const verify::ErrorPicture& picture : result.pictures) pictures.push_back(picture_json(picture));
  Json& diagnosis = json["diagnosis"] = Json::array();
  for (const verify::Diagnosis& finding : result.diagnosis) {
    diagnosis.push_back({{"module", finding.module},
                         {"cause", finding.cause},
                         {"evidence", finding.evidence},
                         {"counterfactual_error", number(finding.counterfactual_error)}});
  }
  json["gradients"] = result.gradients ? gradients_json(*result.gradients) : Json(nullptr);
  json["weights"] = {{"count", report.weights.count},
                     {"bytes", report.weights.bytes},
                     {"unused", report.weights.unused},
                     {"missing", report.weights.missing}};
  Json& files = json["files"] = Json::array();
  for (const File& file : report.files) {
    files.push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"crc32c", file.crc32c ? Json(*file.crc32c) : Json(nullptr)}});
  }
  json["timings_s"] = {{"trace", number(report.timings.trace)},
                       {"lower", number(report.timings.lower)},
                       {"write", number(report.timings.write)},
                       {"verify", number(report.timings.verify)},
                       {"total", number(report.timings.total)}};
  json["peak_rss_mib"] = number(report.peak_rss_mib);
  json["trace_cache"] = report.trace_cache.empty() ? Json(nullptr) : Json(report.trace_cache);
  json["versions"] = report.versions;
  json["notes"] = all_notes(report);
  return valid(json);
}

}  // namespace crossload::report
