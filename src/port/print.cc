// Expressions that fit go on one line; others are split at their outermost bracket, first with all that it holds on one
// line, then with one item a line and a comma behind each; chains of operators are put in parentheses and split before
// their operators.
#include "port/print.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace crossload::port {
namespace {

constexpr size_t kWidth = 119;
constexpr int kIndent = 4;

enum Level {
  kLambda,
  kConditional,
  kOr,
  kAnd,
  kNot,
  kCompare,
  kBitOr,
  kBitXor,
  kBitAnd,
  kShift,
  kSum,
  kProduct,
  kUnary,
  kPower,
  kAtom
};

int level_of(const Node& n) {
  static const std::map<std::string, int> kBinary = {
      {"|", kBitOr},   {"^", kBitXor},  {"&", kBitAnd},   {"<<", kShift},  {">>", kShift},  {"+", kSum},   {"-", kSum},
      {"*", kProduct}, {"/", kProduct}, {"//", kProduct}, {"%", kProduct}, {"@", kProduct}, {"**", kPower}};
  if (n.is("IfExp")) return kConditional;
  if (n.is("Bool")) return n.text == "or" ? kOr : kAnd;
  if (n.is("Compare")) return kCompare;
  if (n.is("Bin")) return kBinary.at(n.text);
  if (n.is("Unary")) return n.text == "not " ? kNot : kUnary;
  if (n.is("Raw") && (n.text.starts_with("lambda"))) return kLambda;
  return kAtom;
}

std::string flat(const Node& n);

std::string flat_at(const Node& n, int level) { return level_of(n) < level ? "(" + flat(n) + ")" : flat(n); }

std::string joined(const std::vector<Node>& nodes, size_t from = 0) {
  std::string text;
  for (size_t i = from; i < nodes.size(); ++i) text += (i == from ? "" : ", ") + flat(nodes[i]);
  return text;
}

// `a : b` with spaces where a side is an expression, as ruff has it.
std::string flat_slice(const Node& n) {
  bool is_plain = true;
  for (size_t i = 0; i < 2; ++i) {
    const Node& part = n[i];
    const bool is_simple = part.is("Empty") || part.is("Name") || part.is("Const") ||
                           (part.is("Unary", "-") && (part[0].is("Const") || part[0].is("Name")));
    is_plain = is_plain && is_simple;
  }
  const std::string low = n[0].is("Empty") ? "" : flat(n[0]);
  const std::string high = n[1].is("Empty") ? "" : flat(n[1]);
  const char* space = is_plain ? "" : " ";
  std::string text = low + (low.empty() ? "" : space) + ":" + (high.empty() ? "" : space) + high;
  if (!n[2].is("Empty")) text += (is_plain ? ":" : " : ") + flat(n[2]);
  return text;
}

std::string flat(const Node& n) {
  if (n.is("Name") || n.is("Const") || n.is("Str") || n.is("Source")) return n.text;
  if (n.is("Raw")) return n.text.find('\n') == std::string::npos ? n.text : "(" + n.text + ")";
  if (n.is("Attr")) return (n[0].is("Const") ? "(" + flat(n[0]) + ")" : flat_at(n[0], kAtom)) + "." + n.text;
  if (n.is("Call")) return flat_at(n[0], kAtom) + "(" + joined(n.children, 1) + ")";
  if (n.is("Keyword")) return (n.text.empty() ? "**" : n.text + "=") + flat(n[0]);
  if (n.is("Starred")) return "*" + flat_at(n[0], kBitOr);
  if (n.is("Sub")) {
    const bool is_bare = n[1].is("Tuple") && n[1].size() > 0;
    return flat_at(n[0], kAtom) + "[" + (is_bare ? joined(n[1].children) + (n[1].size() == 1 ? "," : "") : flat(n[1])) +
           "]";
  }
  if (n.is("Slice")) return flat_slice(n);
  if (n.is("Tuple")) return "(" + joined(n.children) + (n.size() == 1 ? ",)" : ")");
  if (n.is("List")) return "[" + joined(n.children) + "]";
  if (n.is("Set")) return "{" + joined(n.children) + "}";
  if (n.is("Dict")) {
    std::string text = "{";
    for (size_t i = 0; i + 1 < n.size(); i += 2) {
      text += i == 0 ? "" : ", ";
      text += n[i].is("Empty") ? "**" + flat(n[i + 1]) : flat(n[i]) + ": " + flat(n[i + 1]);
    }
    return text + "}";
  }
  if (n.is("Bin")) {
    const int level = level_of(n);
    if (n.text == "**") {
      const bool is_simple = n[1].is("Const") || n[1].is("Name") || n[1].is("Attr");
      const bool is_left_simple = n[0].is("Const") || n[0].is("Name") || n[0].is("Attr");
      return flat_at(n[0], level + 1) + (is_simple && is_left_simple ? "**" : " ** ") + flat_at(n[1], kUnary);
    }
    return flat_at(n[0], level) + " " + n.text + " " + flat_at(n[1], level + 1);
  }
  if (n.is("Unary")) return n.text + flat_at(n[0], level_of(n));
  if (n.is("Bool")) {
    std::string text;
    for (size_t i = 0; i < n.size(); ++i) text += (i == 0 ? "" : " " + n.text + " ") + flat_at(n[i], level_of(n) + 1);
    return text;
  }
  if (n.is("Compare")) {
    std::string text = flat_at(n[0], kCompare + 1), ops = n.text;
    for (size_t i = 1; i < n.size(); ++i) {
      const size_t bar = ops.find('|');
      const std::string op = n.size() == 2 ? ops : ops.substr(0, bar);
      if (n.size() > 2 && bar != std::string::npos) ops = ops.substr(bar + 1);
      text += " " + op + " " + flat_at(n[i], kCompare + 1);
    }
    return text;
  }
  if (n.is("IfExp")) return flat_at(n[1], kOr) + " if " + flat_at(n[0], kOr) + " else " + flat_at(n[2], kConditional);
  if (n.is("ListComp") || n.is("GeneratorExp") || n.is("SetComp")) {
    const char* brackets = n.is("ListComp") ? "[]" : n.is("SetComp") ? "{}" : "()";
    const std::string target = n[1].is("Tuple") ? joined(n[1].children) : flat(n[1]);
    std::string text = flat(n[0]) + " for " + target + " in " + flat_at(n[2], kOr);
    for (size_t i = 3; i < n.size(); ++i) text += " if " + flat_at(n[i], kOr);
    return brackets[0] + text + brackets[1];
  }
  if (n.is("Concat")) {
    std::string text;
    for (const Node& piece : n.children) text += (text.empty() ? "" : " ") + piece.text;
    return text;
  }
  if (n.is("Empty")) return "";
  internal_error("port: the printer does not know `{}`", n.kind);
}

// A generator that is a call's only argument goes without brackets of its own.
std::string flat_call_fixed(std::string text) {
  for (size_t at = 0; (at = text.find("((", at)) != std::string::npos; ++at) {
    int depth = 0;
    for (size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '(') ++depth;
      if (text[i] == ')' && --depth == 0) {
        const std::string inner = text.substr(at + 2, i - at - 2);
        const bool is_call = at > 0 && is_word_char(text[at - 1]);
        if (is_call && i + 1 < text.size() && text[i + 1] == ')' && inner.find(" for ") != std::string::npos &&
            inner.find('"') == std::string::npos) {
          text = text.substr(0, at + 1) + inner + text.substr(i + 1);
        }
        break;
      }
    }
  }
  return text;
}

class Printer {
 public:
  std::string text() && { return std::move(out_); }

  void block(const Node& block, int depth, bool is_top) {
    bool is_first = true, has_space = false;
    const Node* before = nullptr;
    for (const Node& s : block.children) {
      if (s.is("Space")) {
        has_space = true;
        continue;
      }
      const bool leads = s.is("Comment") && next_is_definition(block, s);
      if (!is_first) {
        const bool follows_leader = before->is("Comment") && next_is_definition(block, *before) && !has_space;
        const bool ends_imports = is_top && is_import(*before) && !is_import(s);
        const bool follows_text = is_text(*before) && is_top;
        if (is_definition(*before) || ((is_definition(s) || leads) && !follows_leader))
          blank(is_top ? 2 : 1);
        else if (ends_imports)
          blank(2);
        else if (has_space || follows_text || (is_text(*before) && is_class_))
          blank(1);
      }
      statement(s, depth);
      is_first = false;
      has_space = false;
      before = &s;
    }
  }

 private:
  static bool is_definition(const Node& s) {
    return s.is("Def") || s.is("Class") ||
           (s.is("Source") && (s.text.starts_with("def ") || s.text.starts_with("class ")));
  }
  static bool is_import(const Node& s) { return s.is("Import") || s.is("From"); }
  static bool is_text(const Node& s) { return s.is("Expr") && s[0].is("Str"); }

  static bool next_is_definition(const Node& block, const Node& comment) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (&block[i] != &comment) continue;
      for (size_t k = i + 1; k < block.size(); ++k) {
        if (block[k].is("Comment")) continue;
        return is_definition(block[k]);
      }
    }
    return false;
  }

  void blank(int lines) {
    while (out_.ends_with("\n\n")) out_.pop_back();
    if (!out_.empty()) out_ += std::string(static_cast<size_t>(lines), '\n');
  }

  void line(int depth, const std::string& text) {
    out_ += std::string(static_cast<size_t>(depth * kIndent), ' ') + text + "\n";
  }

  // `before` expression `after`, at a depth, over several lines where it does not fit.
  void expression(int depth, const std::string& before, const Node& n, const std::string& after,
                  bool is_in_brackets = false) {
    const size_t indent = static_cast<size_t>(depth * kIndent);
    const std::string whole = flat_call_fixed(flat(n));
    const size_t first_line = whole.find('\n') == std::string::npos ? whole.size() : whole.find('\n');
    const bool fits = indent + before.size() + first_line + after.size() <= kWidth && !has_text_among_arguments(n);
    if (fits || n.is("Str") || n.is("Raw")) {
      line(depth, before + whole + after);
      return;
    }
    if (n.is("Keyword") && !n.text.empty()) return expression(depth, before + n.text + "=", n[0], after);
    if (n.is("Starred")) return expression(depth, before + "*", n[0], after);
    if (n.is("Concat")) {
      if (!is_in_brackets) line(depth, before + "(");
      const int inner = is_in_brackets ? depth : depth + 1;
      for (size_t i = 0; i < n.size(); ++i) {
        const bool is_last = i + 1 == n.size();
        line(inner, (is_in_brackets && i == 0 ? before : "") + n[i].text + (is_in_brackets && is_last ? after : ""));
      }
      if (!is_in_brackets) line(depth, ")" + after);
      return;
    }
    if (n.is("Call") && n.size() > 1) {
      return bracketed(depth, before + flat_at(n[0], kAtom) + "(", n, 1, ")" + after);
    }
    if (n.is("List") && n.size() > 0) return bracketed(depth, before + "[", n, 0, "]" + after);
    if (n.is("Tuple") && n.size() > 0) return bracketed(depth, before + "(", n, 0, ")" + after);
    if (n.is("Dict") && n.size() > 0) {
      line(depth, before + "{");
      for (size_t i = 0; i + 1 < n.size(); i += 2) {
        expression(depth + 1, n[i].is("Empty") ? "**" : flat(n[i]) + ": ", n[i + 1], ",");
      }
      line(depth, "}" + after);
      return;
    }
    if (n.is("ListComp") || n.is("GeneratorExp")) {
      line(depth, before + (n.is("ListComp") ? "[" : "("));
      const std::string inner = flat_call_fixed(flat(n));
      const std::string bare = inner.substr(1, inner.size() - 2);
      if (indent + kIndent + bare.size() <= kWidth) {
        line(depth + 1, bare);
      } else {
        expression(depth + 1, "", n[0], "");
        line(depth + 1, "for " + (n[1].is("Tuple") ? joined(n[1].children) : flat(n[1])) + " in " + flat_at(n[2], kOr));
        for (size_t i = 3; i < n.size(); ++i) line(depth + 1, "if " + flat_at(n[i], kOr));
      }
      line(depth, (n.is("ListComp") ? "]" : ")") + after);
      return;
    }
    if (n.is("Bin") || n.is("Bool") || n.is("IfExp") || n.is("Compare")) {
      if (is_in_brackets) return operators(depth, before, n, after);
      // A bracket at the end takes the split when what stands before it fits.
      if (n.is("Bin") && level_of(n[1]) == kAtom && (n[1].is("Call") || n[1].is("Tuple"))) {
        const std::string left = flat_at(n[0], level_of(n)) + " " + n.text + " ";
        const std::string head = n[1].is("Call") ? flat(n[1][0]) : "";
        if (n[1].size() > 1 && indent + before.size() + left.size() + head.size() + 1 <= kWidth) {
          return expression(depth, before + left, n[1], after);
        }
      }
      if (n.is("Bool") && n.children.back().is("Call") && n.children.back().size() > 1) {
        std::string left;
        for (size_t i = 0; i + 1 < n.size(); ++i) left += flat_at(n[i], level_of(n) + 1) + " " + n.text + " ";
        const Node& last = n.children.back();
        const bool is_short = indent + before.size() + left.size() + flat(last[0]).size() + 1 <= kWidth;
        if (is_short && indent + kIndent + joined(last.children, 1).size() <= kWidth && !before.ends_with("if ")) {
          return expression(depth, before + left, last, after);
        }
      }
      line(depth, before + "(");
      if (indent + kIndent + whole.size() <= kWidth)
        line(depth + 1, whole);
      else
        operators(depth + 1, "", n, "");
      line(depth, ")" + after);
      return;
    }
    if (n.is("Sub") && n[0].is("Call")) return expression(depth, before, n[0], "[" + flat_index(n[1]) + "]" + after);
    if (n.is("Attr") && n[0].is("Call")) return expression(depth, before, n[0], "." + n.text + after);
    if (n.is("Unary")) return expression(depth, before + n.text, n[0], after);
    line(depth, before + whole + after);
  }

  // A string of several lines beside other arguments: each of them has a line of its own.
  static bool has_text_among_arguments(const Node& n) {
    return n.is("Call") && n.size() > 2 && std::ranges::any_of(n.children.begin() + 1, n.children.end(), is_long_text);
  }
  static bool is_long_text(const Node& n) {
    return (n.is("Str") && n.text.find('\n') != std::string::npos) ||
           (n.is("Keyword") && n.size() == 1 && is_long_text(n[0]));
  }

  static std::string flat_index(const Node& n) { return n.is("Tuple") && n.size() > 1 ? joined(n.children) : flat(n); }

  void bracketed(int depth, const std::string& open, const Node& n, size_t from, const std::string& close) {
    line(depth, open);
    std::string inner = joined(n.children, from);
    const bool is_only_generator = n.size() - from == 1 && n[from].is("GeneratorExp");
    if (is_only_generator) inner = inner.substr(1, inner.size() - 2);
    const size_t indent = static_cast<size_t>((depth + 1) * kIndent);
    if (indent + inner.size() <= kWidth && !(n.is("Tuple") && n.size() == 1) && !has_text_among_arguments(n)) {
      line(depth + 1, inner);
    } else {
      const bool is_alone = n.size() - from == 1 && n[from].is("Concat");
      for (size_t i = from; i < n.size(); ++i) expression(depth + 1, "", n[i], is_alone ? "" : ",", true);
    }
    line(depth, close);
  }

  void operators(int depth, const std::string& before, const Node& n, const std::string& after) {
    if (n.is("IfExp")) {
      expression(depth, before, n[1], "", true);
      expression(depth, "if ", n[0], "", true);
      expression(depth, "else ", n[2], after, true);
      return;
    }
    std::vector<std::pair<std::string, const Node*>> parts;
    gather(n, level_of(n), "", parts);
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool is_last = i + 1 == parts.size();
      const Node& part = *parts[i].second;
      const bool needs_brackets =
          level_of(part) < level_of(n) + (n.is("Bool") ? 1 : 0) && level_of(part) != level_of(n);
      if (needs_brackets) {
        line(depth, (i == 0 ? before : "") + parts[i].first + "(" + flat(part) + ")" + (is_last ? after : ""));
      } else {
        expression(depth, (i == 0 ? before : "") + parts[i].first, part, is_last ? after : "", true);
      }
    }
  }

  static void gather(const Node& n, int level, const std::string& op,
                     std::vector<std::pair<std::string, const Node*>>& parts) {
    if (n.is("Bin") && level_of(n) == level && n.text != "**") {
      gather(n[0], level, op, parts);
      parts.emplace_back(n.text + " ", &n[1]);
    } else if (n.is("Bool") && level_of(n) == level) {
      for (size_t i = 0; i < n.size(); ++i) parts.emplace_back(i == 0 ? op : n.text + " ", &n[i]);
    } else if (n.is("Compare") && level_of(n) == level && n.size() == 2) {
      parts.emplace_back(op, &n[0]);
      parts.emplace_back(n.text + " ", &n[1]);
    } else {
      parts.emplace_back(op, &n);
    }
  }

  static std::string target(const Node& n) {
    return n.is("Tuple") && n.size() > 0 ? joined(n.children) + (n.size() == 1 ? "," : "") : flat(n);
  }

  static std::string parameter(const Node& p) {
    const char* stars = p.is("VarParam") ? "*" : p.is("KwParam") ? "**" : "";
    if (p.is("Star")) return "*";
    std::string text = stars + p.text;
    if (!p[0].is("Empty")) text += ": " + flat(p[0]);
    if (!p[1].is("Empty")) text += (p[0].is("Empty") ? "=" : " = ") + flat(p[1]);
    return text;
  }

  void definition(const Node& s, int depth) {
    for (const Node& d : s[0].children) expression(depth, "@", d, "");
    const std::string returns = s[2].is("Empty") ? ":" : " -> " + flat(s[2]) + ":";
    std::vector<std::string> parameters;
    std::string all;
    for (const Node& p : s[1].children) {
      parameters.push_back(parameter(p));
      all += (all.empty() ? "" : ", ") + parameters.back();
    }
    const size_t indent = static_cast<size_t>(depth * kIndent);
    if (indent + 4 + s.text.size() + 2 + all.size() + returns.size() <= kWidth) {
      line(depth, "def " + s.text + "(" + all + ")" + returns);
    } else {
      line(depth, "def " + s.text + "(");
      if (indent + kIndent + all.size() <= kWidth && parameters.size() < 4) {
        line(depth + 1, all);
      } else {
        for (const std::string& p : parameters) line(depth + 1, p + ",");
      }
      line(depth, ")" + returns);
    }
    const bool was_class = is_class_;
    is_class_ = false;
    block(s[3], depth + 1, false);
    is_class_ = was_class;
  }

  void statement(const Node& s, int depth) {
    const std::string note = s.comment.empty() ? "" : "  " + s.comment;
    if (s.is("Comment")) return line(depth, s.text);
    if (s.is("Source")) return source(s.text, depth);
    if (s.is("Def")) return definition(s, depth);
    if (s.is("Class")) {
      for (const Node& d : s[0].children) expression(depth, "@", d, "");
      line(depth, "class " + s.text + (s[1].size() == 0 ? "" : "(" + joined(s[1].children) + ")") + ":");
      is_class_ = true;
      block(s[2], depth + 1, false);
      is_class_ = false;
      return;
    }
    if (s.is("If")) return if_statement(s, depth, "if ");
    if (s.is("For")) {
      expression(depth, "for " + target(s[0]) + " in ", s[1], ":" + note);
      return block(s[2], depth + 1, false);
    }
    if (s.is("While")) {
      expression(depth, "while ", s[0], ":" + note);
      return block(s[1], depth + 1, false);
    }
    if (s.is("With")) {
      std::string items;
      for (size_t i = 0; i + 1 < s[0].size(); i += 2) {
        items += (i == 0 ? "" : ", ") + flat(s[0][i]) + (s[0][i + 1].is("Empty") ? "" : " as " + flat(s[0][i + 1]));
      }
      line(depth, "with " + items + ":" + note);
      return block(s[1], depth + 1, false);
    }
    if (s.is("Assign")) {
      std::string before;
      for (size_t i = 0; i + 1 < s.size(); ++i) before += target(s[i]) + " = ";
      const Node& value = s.children.back();
      if (value.is("Tuple") && value.size() > 1 &&
          static_cast<size_t>(depth * kIndent) + before.size() + joined(value.children).size() <= kWidth &&
          s[0].is("Tuple")) {
        return line(depth, before + joined(value.children) + note);
      }
      return expression(depth, before, value, note);
    }
    if (s.is("AugAssign")) return expression(depth, flat(s[0]) + " " + s.text + "= ", s[1], note);
    if (s.is("AnnAssign")) {
      const std::string before = flat(s[0]) + ": " + flat(s[1]);
      if (s[2].is("Empty")) return line(depth, before + note);
      return expression(depth, before + " = ", s[2], note);
    }
    if (s.is("Return")) {
      if (s.size() == 0) return line(depth, "return" + note);
      const Node& value = s[0];
      if (value.is("Tuple") && value.size() > 1 &&
          static_cast<size_t>(depth * kIndent) + 7 + joined(value.children).size() <= kWidth) {
        return line(depth, "return " + joined(value.children) + note);
      }
      return expression(depth, "return ", value, note);
    }
    if (s.is("Expr")) {
      if (s[0].is("Str")) return line(depth, s[0].text + note);
      return expression(depth, "", s[0], note);
    }
    if (s.is("Raise")) return s.size() == 0 ? line(depth, "raise" + note) : expression(depth, "raise ", s[0], note);
    if (s.is("Assert")) return expression(depth, "assert ", s[0], (s.size() > 1 ? ", " + flat(s[1]) : "") + note);
    if (s.is("Pass")) return line(depth, "pass" + note);
    if (s.is("Break")) return line(depth, "break" + note);
    if (s.is("Continue")) return line(depth, "continue" + note);
    if (s.is("Import")) return line(depth, "import " + s[0].text + (s[0][0].text.empty() ? "" : " as " + s[0][0].text));
    if (s.is("From")) {
      std::string names;
      for (const Node& alias : s.children) names += (names.empty() ? "" : ", ") + alias.text;
      const std::string whole = "from " + s.text + " import " + names;
      if (whole.size() <= kWidth) return line(depth, whole);
      line(depth, "from " + s.text + " import (");
      for (const Node& alias : s.children) line(depth + 1, alias.text + ",");
      return line(depth, ")");
    }
    internal_error("port: the printer does not know the statement `{}`", s.kind);
  }

  void source(const std::string& text, int depth) {
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string one = text.substr(at, end - at);
      if (one.empty())
        out_ += "\n";
      else
        line(depth, one);
      at = end + 1;
    }
  }

  void if_statement(const Node& s, int depth, const std::string& word) {
    expression(depth, word, s[0], ":" + (s.comment.empty() ? "" : "  " + s.comment));
    block(s[1], depth + 1, false);
    if (s.size() < 3) return;
    if (s[2].text == "elif" && s[2].size() == 1 && s[2][0].is("If")) return if_statement(s[2][0], depth, "elif ");
    line(depth, "else:");
    block(s[2], depth + 1, false);
  }

  std::string out_;
  bool is_class_ = false;  // a class's text is followed by an empty line, a function's is not
};

}  // namespace

std::string print_module(const Node& module) {
  Printer printer;
  printer.block(module, 0, true);
  return std::move(printer).text();
}

std::string print_expression(const Node& node) { return flat_call_fixed(flat(node)); }

}  // namespace crossload::port
