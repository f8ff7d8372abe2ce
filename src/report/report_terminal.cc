// Tables whose columns are as wide as their widest cell; where that is too wide, one column is shortened.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "report/report.h"
#include "report/shapes_tried.h"

namespace crossload::report {
namespace {

using verify::Verdict;

enum class Style { kPlain, kBold, kDim, kGood, kFair, kBad };

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};

struct Column {
  std::string title;
  bool is_right = false;
  bool is_flexible = false;
};

/// A code point of UTF-8 text, and whether it takes two columns.
struct Symbol {
  std::size_t bytes;
  uint32_t code;
};

Symbol symbol_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const std::size_t size = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  if (at + size > text.size() || (byte >= 0x80 && size == 1)) return {1, 0xfffd};
  uint32_t code = size == 1 ? byte : byte & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  return {size, code};
}

int columns_of(uint32_t code) {
  return (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                 (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                 (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) || code >= 0x1f300
             ? 2
             : 1;
}

/// Without control characters, which a terminal would obey.
std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const Symbol symbol = symbol_at(text, i);
    const bool is_control = symbol.code < 0x20 || (symbol.code >= 0x7f && symbol.code < 0xa0) ||
                            (symbol.code >= 0x200e && symbol.code <= 0x202e && symbol.code != 0x2026 &&
                             (symbol.code <= 0x200f || symbol.code >= 0x2028)) ||
                            symbol.code == 0xfffd;
    if (is_control) {
      result += '?';
    } else {
      result += text.substr(i, symbol.bytes);
    }
    i += symbol.bytes;
  }
  return result;
}

int width_of(std::string_view text) {
  int width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Symbol symbol = symbol_at(text, i);
    width += columns_of(symbol.code);
    i += symbol.bytes;
  }
  return width;
}

std::string shortened(const std::string& text, int width) {
  if (width_of(text) <= width) return text;
  std::string result;
  int used = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Symbol symbol = symbol_at(text, i);
    if (used + columns_of(symbol.code) > width - 1) break;
    used += columns_of(symbol.code);
    result += text.substr(i, symbol.bytes);
    i += symbol.bytes;
  }
  return result + "…";
}

std::string error_text(double value) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return "inf";
  return value == 0 ? "0" : fmt::format("{:.1e}", value);
}

std::string size_text(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"kB", "MB", "GB", "TB"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

Style style_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kVerified: return Style::kGood;
    case Verdict::kWithinNoise: return Style::kFair;
    case Verdict::kMismatch: return Style::kBad;
    case Verdict::kUnverified: break;
  }
  return Style::kFair;
}

const char* mark_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kVerified: return "✓";
    case Verdict::kWithinNoise: return "≈";
    case Verdict::kMismatch: return "✗";
    case Verdict::kUnverified: break;
  }
  return "?";
}

class TerminalWriter {
 public:
  TerminalWriter(const Report& report, const TerminalOptions& options)
      : report_(report), result_(report.result), options_(options), width_(std::max(options.width, 60)) {}

  std::string run() {
    headline();
    shapes();
    outputs();
    stages();
    layers();
    diagnosis();
    gradients();
    notes();
    timings();
    return std::move(text_);
  }

 private:
  std::string styled(const std::string& text, Style style) const {
    if (!options_.color || style == Style::kPlain || text.empty()) return text;
    static const std::map<Style, const char*> kCodes = {
        {Style::kBold, "1"}, {Style::kDim, "2"}, {Style::kGood, "1;32"}, {Style::kFair, "1;33"}, {Style::kBad, "1;31"}};
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes.at(style), text);
  }

  void line(const std::string& text, Style style = Style::kPlain) {
    text_ += styled(shortened(text, width_), style) + '\n';
  }

  /// Words, broken at spaces; later lines stand further in.
  void paragraph(const std::string& first, const std::string& text) {
    std::string current = first;
    const std::string indent(static_cast<std::size_t>(width_of(first)), ' ');
    bool is_empty = true;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      const std::string word(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!is_empty && width_of(current) + 1 + width_of(word) > width_) {
        line(current);
        current = indent;
        is_empty = true;
      }
      if (!is_empty) current += ' ';
      current += word;
      is_empty = false;
    }
    line(current);
  }

  void title(const std::string& text) {
    text_ += '\n';
    line(text, Style::kBold);
  }

  void table(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows) {
    std::vector<int> widths;
    int total = 2 * static_cast<int>(columns.size());
    for (std::size_t c = 0; c < columns.size(); ++c) {
      int width = width_of(columns[c].title);
      for (const auto& row : rows) {
        if (!is_remark(row)) width = std::max(width, width_of(row[c].text));
      }
      widths.push_back(width);
      total += width;
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (!columns[c].is_flexible || total <= width_) continue;
      const int less = std::min(total - width_, std::max(widths[c] - 12, 0));
      widths[c] -= less;
      total -= less;
    }
    const auto put = [&](const std::vector<Cell>& row) {
      std::string out;
      int used = 0;  // columns; spaces at the end of a line are left out
      int pending = 0;
      for (std::size_t c = 0; c < columns.size(); ++c) {
        pending += 2;
        const int room = width_ - used - pending;
        const std::string cell = shortened(row[c].text, std::min(widths[c], std::max(room, 1)));
        const int fill = widths[c] - width_of(cell);
        if (columns[c].is_right) pending += fill;
        if (!cell.empty() && used + pending + width_of(cell) <= width_) {
          out.append(static_cast<std::size_t>(pending), ' ');
          out += styled(cell, row[c].style);
          used += pending + width_of(cell);
          pending = 0;
        } else {
          pending += width_of(cell);
        }
        if (!columns[c].is_right) pending += fill;
      }
      text_ += out + '\n';
    };
    std::vector<Cell> titles;
    for (const Column& column : columns) titles.push_back({column.title, Style::kDim});
    put(titles);
    for (const auto& row : rows) {
      if (is_remark(row)) {
        line("  " + row[0].text, row[0].style);
      } else {
        put(row);
      }
    }
  }

  /// A row that is one text across all columns.
  static bool is_remark(const std::vector<Cell>& row) { return row.size() == 1; }

  Cell error_cell(double value, double noise = verify::kUnknown) const {
    const bool is_over = value > result_.limit;
    return {error_text(value), !is_over ? Style::kPlain : value <= noise ? Style::kFair : Style::kBad};
  }

  Cell stage_cell(double value, double noise) const {
    if (verify::is_over(value, result_.limit, noise)) return {error_text(value), Style::kBad};
    return {error_text(value), value > result_.limit ? Style::kFair : Style::kPlain};
  }

  void fact(const char* name, const std::string& text) { paragraph(fmt::format("  {:<9}", name), printable(text)); }

  void headline() {
    const std::string verdict(verify::name_of(result_.verdict));
    const std::string mark = fmt::format("{} {}", mark_of(result_.verdict), verdict);
    std::string rest;
    if (!std::isnan(result_.max_error)) {
      rest = fmt::format("   max |pt - tf| {}, limit {}", error_text(result_.max_error), error_text(result_.limit));
    }
    text_ += styled(mark, style_of(result_.verdict)) + rest + "\n";
    if (!result_.verdict_note.empty()) paragraph("  ", printable(result_.verdict_note));
    text_ += '\n';
    fact("model", report_.model);
    std::string kind = report_.model_class;
    if (!report_.model_type.empty()) kind += fmt::format("{}{}", kind.empty() ? "" : ", ", report_.model_type);
    if (!kind.empty()) fact("class", kind);
    if (report_.against.empty()) {
      fact("axes", axes_text());
    } else {
      fact("against", report_.against);
    }
    std::string weights = fmt::format("{} tensors, {}", report_.weights.count, size_text(report_.weights.bytes));
    if (!report_.weights.unused.empty()) weights += "; unused: " + listed(report_.weights.unused);
    if (!report_.weights.missing.empty()) weights += "; missing, newly initialised: " + listed(report_.weights.missing);
    fact("weights", weights);
  }

  /// `dynamic; fixed: pixel_values 1 (3), 2 (16)`
  std::string axes_text() const {
    if (!report_.dynamic) return "static: only the traced shape";
    std::string text = "dynamic";
    std::string_view last;
    for (const FixedAxis& axis : report_.fixed_axes) {
      if (last.empty()) {
        text += "; fixed: " + printable(axis.input);
      } else {
        text += ", ";
        if (axis.input != last) text += printable(axis.input);
      }
      text += fmt::format("{}{} ({})", axis.input == last ? "" : " axis ", axis.axis, axis.size);
      last = axis.input;
    }
    return text;
  }

  std::string listed(const std::vector<std::string>& names) const {
    const std::size_t shown = options_.verbose ? names.size() : std::min<std::size_t>(names.size(), 3);
    std::string text = fmt::format("{} (", names.size());
    for (std::size_t i = 0; i < shown; ++i) {
      if (i > 0) text += ", ";
      text += names[i];
    }
    return text + (shown < names.size() ? ", …)" : ")");
  }

  /// Inputs of one shape together: `input_ids, attention_mask [2, 17]`.
  static std::string inputs_text(const verify::ShapeResult& shape) {
    std::string text;
    for (std::size_t i = 0; i < shape.inputs.size(); ++i) {
      const auto& [name, dims] = shape.inputs[i];
      if (i > 0) text += ", ";
      text += name;
      if (i + 1 == shape.inputs.size() || shape.inputs[i + 1].second != dims)
        text += fmt::format(" {}", to_string(dims));
    }
    return text;
  }

  void shapes() {
    const auto shapes = shapes_tried(report_);
    if (shapes.empty()) return;
    title("Shapes");
    std::vector<std::vector<Cell>> rows;
    for (const verify::ShapeResult& shape : shapes) {
      rows.push_back({{printable(shape.label)},
                      {printable(inputs_text(shape))},
                      error_cell(shape.max_error),
                      {error_text(shape.padded_error), Style::kDim}});
    }
    table({{"shape", false, false}, {"inputs", false, true}, {"max error", true, false}, {"at padding", true, false}},
          rows);
  }

  void outputs() {
    if (result_.outputs.empty()) return;
    title("Outputs");
    std::vector<std::vector<Cell>> rows;
    const std::size_t shown =
        options_.verbose ? result_.outputs.size() : std::min<std::size_t>(result_.outputs.size(), 12);
    for (const verify::OutputResult* output : worst_outputs(shown)) {
      rows.push_back({{printable(output->name)},
                      {to_string(output->shape)},
                      error_cell(output->max_error, output->noise),
                      {error_text(output->mean_error)},
                      {std::isnan(output->cosine) ? "-" : fmt::format("{:.6f}", output->cosine)},
                      {error_text(output->noise), Style::kDim},
                      {std::string(verify::name_of(output->verdict)), style_of(output->verdict)}});
    }
    table({{"output", false, true},
           {"shape", false, true},
           {"max error", true, false},
           {"mean", true, false},
           {"cosine", true, false},
           {"noise", true, false},
           {"verdict", false, false}},
          rows);
    if (shown < result_.outputs.size())
      line(fmt::format("  … {} more, none worse", result_.outputs.size() - shown), Style::kDim);
  }

  /// The worst ones, in the order of the model.
  std::vector<const verify::OutputResult*> worst_outputs(std::size_t count) const {
    std::vector<const verify::OutputResult*> all;
    for (const verify::OutputResult& output : result_.outputs) all.push_back(&output);
    const auto is_worse = [](const auto* a, const auto* b) {
      if (a->verdict != b->verdict) return verify::worse(a->verdict, b->verdict) == a->verdict;
      return a->max_error > b->max_error;
    };
    std::ranges::stable_sort(all, is_worse);
    all.resize(count);
    std::ranges::sort(all);
    return all;
  }

  // --- Stages ---

  std::size_t end_of(std::size_t stage) const {
    std::size_t end = stage + 1;
    while (end < result_.stages.size() && result_.stages[end].depth > result_.stages[stage].depth) ++end;
    return end;
  }

  /// What siblings that repeat one another have in common: parent, class, and that the path ends in a number; another
  /// call of the same module is such a sibling too. Empty for a stage that stands for itself.
  static std::string family_of(const verify::StageResult& stage) {
    const std::size_t dot = stage.module.rfind('.');
    const std::string last = stage.module.substr(dot == std::string::npos ? 0 : dot + 1);
    if (last.empty()) return {};
    if (last.find_first_not_of("0123456789") == std::string::npos) {
      return fmt::format("{}.*:{}", stage.module.substr(0, dot == std::string::npos ? 0 : dot), stage.module_class);
    }
    return stage.call > 0 ? stage.module + "@" : std::string();
  }

  bool holds_first(std::size_t stage) const {
    for (std::size_t i = stage; i < end_of(stage); ++i) {
      if (result_.stages[i].first_over_limit) return true;
    }
    return false;
  }

  double badness(std::size_t stage) const {
    const verify::StageResult& one = result_.stages[stage];
    if (holds_first(stage)) return std::numeric_limits<double>::infinity();
    return std::isnan(one.isolated) ? 0 : one.isolated;
  }

  void stages() {
    if (result_.stages.empty()) return;
    title("Stages");
    line("  accumulated: from the model's inputs on; isolated: with PyTorch's values as the module's inputs",
         Style::kDim);
    stage_rows_.clear();
    add_stage(0, {});
    table({{"module", false, true},
           {"class", false, true},
           {"accumulated", true, false},
           {"isolated", true, false},
           {"noise", true, false},
           {"", false, false}},
          stage_rows_);
    spread();
  }

  /// Whether one place is to blame, or the depth.
  void spread() {
    const verify::Spread& spread = result_.spread;
    using Kind = verify::Spread::Kind;
    if (spread.kind == Kind::kNone) return;
    const auto first = std::ranges::find_if(result_.stages, &verify::StageResult::first_over_limit);
    const std::string name = first == result_.stages.end() ? "" : stage_name(*first);
    std::string text;
    switch (spread.kind) {
      case Kind::kOnePlace:
        text = fmt::format("the error is made at one place, `{}`; all other stages only hand it on", name);
        break;
      case Kind::kSeveralPlaces:
        text = fmt::format("{} stages make an error by themselves, up to {}; the first is `{}`", spread.places,
                           error_text(spread.largest), name);
        break;
      case Kind::kGradual:
        text = fmt::format(
            "no stage makes more error by itself than the limit and its noise allow; errors add up from stage to stage "
            "to {} at the end, and are over first at `{}`",
            error_text(result_.stages.front().accumulated), name);
        break;
      case Kind::kNone: break;
    }
    paragraph("  ", printable(text));
    if (first == result_.stages.end()) return;
    const auto op = std::ranges::find_if(first->ops, &verify::OpResult::first_over_limit);
    if (op == first->ops.end()) return;
    paragraph("  ",
              printable(fmt::format("first operation over the limit: {} ({}), {}; PyTorch: {}; TensorFlow: {}", op->op,
                                    op->node, error_text(op->isolated), op->source.empty() ? "-" : op->source,
                                    op->tf_node.empty() ? "-" : op->tf_node)));
  }

  void add_stage(std::size_t index, const std::string& parent) {
    const verify::StageResult& stage = result_.stages[index];
    std::string name = stage_name(stage);
    if (!parent.empty() && name.starts_with(parent + ".")) name = name.substr(parent.size() + 1);
    if (name.empty()) name = "(model)";
    stage_rows_.push_back({{std::string(static_cast<std::size_t>(2 * stage.depth), ' ') + printable(name),
                            stage.first_over_limit ? Style::kBad : Style::kPlain},
                           {printable(stage.module_class), Style::kDim},
                           stage_cell(stage.accumulated, stage.noise),
                           stage_cell(stage.isolated, stage.noise),
                           {error_text(stage.noise), Style::kDim},
                           {stage.first_over_limit ? "◄ first over" : "", Style::kBad}});
    if (stage.first_over_limit || options_.verbose) add_ops(stage);
    std::map<std::string, std::vector<std::size_t>> families;
    for (std::size_t child = index + 1; child < end_of(index); child = end_of(child)) {
      families[family_of(result_.stages[child])].push_back(child);
    }
    for (std::size_t child = index + 1; child < end_of(index); child = end_of(child)) {
      const verify::StageResult& one = result_.stages[child];
      const std::string family = family_of(one);
      const auto& alike = families[family];
      if (!options_.verbose && !family.empty() && alike.size() > 2) {
        if (child != alike.front()) continue;
        const std::size_t worst = *std::ranges::max_element(alike, {}, [this](std::size_t i) { return badness(i); });
        add_stage(worst, stage.module);
        stage_rows_.push_back({{fmt::format("{}… {} more like it, none worse",
                                            std::string(2 * std::size_t(one.depth), ' '), alike.size() - 1),
                                Style::kDim}});
        continue;
      }
      const bool does_nothing = one.module_class == "Dropout" || one.module_class == "Identity";
      if (!options_.verbose && does_nothing && !one.first_over_limit) continue;
      add_stage(child, stage.module);
    }
  }

  /// Layers and modules of a model that somebody wrote that do not go together.
  void layers() {
    if (!result_.layers) return;
    const verify::LayerReport& found = *result_.layers;
    std::vector<std::string> texts;
    const auto add_names = [&](const char* what, const std::vector<std::string>& names) {
      if (!names.empty()) texts.push_back(fmt::format("{}: {}", what, listed(names)));
    };
    const auto add_notes = [&](const char* what, const std::vector<verify::LayerNote>& notes) {
      const std::size_t shown = options_.verbose ? notes.size() : std::min<std::size_t>(notes.size(), 3);
      for (std::size_t i = 0; i < shown; ++i) {
        texts.push_back(fmt::format("{}: `{}` and `{}`: {}", what, notes[i].module, notes[i].layer, notes[i].reason));
      }
      if (shown < notes.size()) texts.push_back(fmt::format("{}: {} more", what, notes.size() - shown));
    };
    add_names("modules without a layer", found.without_layer);
    add_names("layers without a module", found.without_module);
    add_notes("of another structure", found.other_structure);
    add_notes("not by itself", found.not_isolated);
    if (texts.empty()) return;
    title("Layers without comparison");
    for (const std::string& text : texts) paragraph("  - ", printable(text));
  }

  void add_ops(const verify::StageResult& stage) {
    std::vector<const verify::OpResult*> ops;
    for (const verify::OpResult& op : stage.ops) ops.push_back(&op);
    if (!options_.verbose) {
      std::ranges::stable_sort(ops, [](const auto* a, const auto* b) { return a->isolated > b->isolated; });
      ops.resize(std::min<std::size_t>(ops.size(), 3));
    }
    const std::string indent(static_cast<std::size_t>(2 * stage.depth + 2), ' ');
    for (const verify::OpResult* op : ops) {
      stage_rows_.push_back({{indent + "· " + printable(op->op)},
                             {printable(op->source), Style::kDim},
                             {},
                             stage_cell(op->isolated, stage.noise),
                             {},
                             {printable(op->node), Style::kDim}});
    }
  }

  void diagnosis() {
    if (result_.diagnosis.empty()) return;
    title("Diagnosis");
    for (const verify::Diagnosis& finding : result_.diagnosis) {
      const std::string module = finding.module.empty() ? "(model)" : finding.module;
      std::string text = fmt::format("{}: {}; {}", module, finding.cause, finding.evidence);
      if (!std::isnan(finding.counterfactual_error)) {
        text += fmt::format("; with it PyTorch is {} away from TensorFlow", error_text(finding.counterfactual_error));
      }
      paragraph("  - ", printable(text));
    }
  }

  void gradients() {
    if (!result_.gradients) return;
    const verify::GradientReport& found = *result_.gradients;
    title("Gradients");
    if (!found.error.empty()) {
      paragraph("  - ", printable("TensorFlow computes none: " + found.error));
      return;
    }
    line("  of a fixed sum of the outputs, by each parameter; the worst ones", Style::kDim);
    std::vector<const verify::GradientResult*> all;
    for (const verify::GradientResult& one : found.parameters) all.push_back(&one);
    std::ranges::stable_sort(all, [](const auto* a, const auto* b) {
      const bool a_fails = a->of.verdict == Verdict::kMismatch, b_fails = b->of.verdict == Verdict::kMismatch;
      return a_fails != b_fails ? a_fails : a->of.max_error > b->of.max_error;
    });
    const std::size_t shown = options_.verbose ? all.size() : std::min<std::size_t>(all.size(), 8);
    std::vector<std::vector<Cell>> rows;
    for (std::size_t i = 0; i < shown; ++i) {
      const verify::GradientResult& one = *all[i];
      rows.push_back({{printable(one.of.name), one.is_first ? Style::kBad : Style::kPlain},
                      {to_string(one.of.shape)},
                      error_cell(one.of.max_error, one.of.noise),
                      {error_text(one.largest)},
                      {error_text(one.of.noise), Style::kDim},
                      {std::string(verify::name_of(one.of.verdict)) + (one.is_first ? " ◄ first" : ""),
                       style_of(one.of.verdict)}});
    }
    table({{"parameter", false, true},
           {"shape", false, false},
           {"max error", true, false},
           {"largest", true, false},
           {"noise", true, false},
           {"verdict", false, false}},
          rows);
    if (shown < all.size()) line(fmt::format("  … {} more, none worse", all.size() - shown), Style::kDim);
    const auto first = std::ranges::find_if(found.parameters, &verify::GradientResult::is_first);
    if (first != found.parameters.end()) {
      paragraph("  ", printable(fmt::format("on the way back from the outputs, `{}` is the first that differs",
                                            first->of.name)));
    }
    const std::pair<const char*, const std::vector<std::string>*> lists[] = {
        {"gradient in PyTorch only", &found.only_pytorch},
        {"gradient in TensorFlow only", &found.only_tensorflow},
        {"one parameter in PyTorch, several variables in TensorFlow", &found.untied},
        {"not compared, as no layer has their variable", &found.unpaired},
        {"no gradient in either", &found.without},
        {"frozen in PyTorch, a variable that trains in TensorFlow", &found.frozen}};
    for (const auto& [what, names] : lists) {
      if (!names->empty()) paragraph("  - ", printable(fmt::format("{}: {}", what, listed(*names))));
    }
  }

  void notes() {
    const auto notes = all_notes(report_);
    if (notes.empty()) return;
    title("Notes");
    const std::size_t shown = options_.verbose ? notes.size() : std::min<std::size_t>(notes.size(), 8);
    for (std::size_t i = 0; i < shown; ++i) paragraph("  - ", printable(notes[i]));
    if (shown < notes.size()) line(fmt::format("  … {} more", notes.size() - shown), Style::kDim);
  }

  void timings() {
    std::string text;
    const auto add = [&](const std::string& part) {
      if (!text.empty()) text += " · ";
      text += part;
    };
    const Timings& t = report_.timings;
    const std::pair<const char*, double> steps[] = {
        {"trace", t.trace}, {"lower", t.lower}, {"write", t.write}, {"verify", t.verify}, {"total", t.total}};
    for (const auto& [name, seconds] : steps) {
      if (std::isnan(seconds)) continue;
      const bool was_cached = std::string_view(name) == "trace" && report_.trace_cache == "hit";
      add(fmt::format("{} {:.1f} s{}", name, seconds, was_cached ? " (cached)" : ""));
    }
    if (!std::isnan(report_.peak_rss_mib)) add(fmt::format("peak {:.0f} MiB", report_.peak_rss_mib));
    if (text.empty()) return;
    text_ += '\n';
    paragraph("", text);
  }

  const Report& report_;
  const verify::Result& result_;
  const TerminalOptions& options_;
  const int width_;
  std::string text_;
  std::vector<std::vector<Cell>> stage_rows_;
};

}  // namespace

std::string to_terminal(const Report& report, const TerminalOptions& options) {
  return TerminalWriter(report, options).run();
}

}  // namespace crossload::report
