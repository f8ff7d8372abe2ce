// A pickle is a program for a machine with a stack and a memo (Python's `pickletools` documents each opcode). Protocols
// 2 to 5 write state dicts with the opcodes below; all others end the reading. Values live in one arena and name each
// other by index, so that neither depth nor cycles in hostile files reach our own stack.
#include "checkpoint/pickle.h"

#include <cstring>

#include "base/error.h"

namespace crossload {

namespace {

constexpr std::size_t kMaxValues = std::size_t{8} << 20;
constexpr std::size_t kMaxItems = 4 * kMaxValues;
constexpr std::size_t kMaxGlobalName = 1000;
constexpr std::string_view kOrderedDict = "collections.OrderedDict";

}  // namespace

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& where,
            const std::function<bool(std::string_view)>& is_allowed)
      : bytes_(bytes), where_(where), is_allowed_(is_allowed) {}

  Pickle read() {
    while (!step()) {
    }
    pickle_.size_ = at_;
    pickle_.root_ = pop();
    return std::move(pickle_);
  }

 private:
  using Kind = Pickle::Kind;
  using Ref = uint32_t;

  // One opcode; true after STOP.
  bool step() {
    opcode_at_ = at_;
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    switch (opcode) {
      case 0x80: read_protocol(); break;
      case 0x95: take(8); break;  // FRAME: how much to read ahead
      case '.': return true;
      case '(': marks_.push_back(stack_.size()); break;
      case '0': pop(); break;                         // POP
      case '1': drop_to(pop_mark()); break;           // POP_MARK
      case '2': push(top()); break;                   // DUP
      case 'N': push_scalar(Kind::kNone, 0); break;   // NONE
      case 0x88: push_scalar(Kind::kBool, 1); break;  // NEWTRUE
      case 0x89: push_scalar(Kind::kBool, 0); break;  // NEWFALSE
      case 'J': push_scalar(Kind::kInteger, number<int32_t>()); break;
      case 'K': push_scalar(Kind::kInteger, number<uint8_t>()); break;
      case 'M': push_scalar(Kind::kInteger, number<uint16_t>()); break;
      case 0x8a: push_scalar(Kind::kInteger, read_long()); break;
      case 'G':  // BINFLOAT, whose value nothing needs
        take(8);
        push_scalar(Kind::kFloat, 0);
        break;
      case 'T': push_text(number<uint32_t>()); break;   // BINSTRING: str of Python 2
      case 'U': push_text(number<uint8_t>()); break;    // SHORT_BINSTRING
      case 'X': push_text(number<uint32_t>()); break;   // BINUNICODE
      case 0x8c: push_text(number<uint8_t>()); break;   // SHORT_BINUNICODE
      case 0x8d: push_text(number<uint64_t>()); break;  // BINUNICODE8
      case ')': push_list(Kind::kTuple, {}); break;
      case 't': push_list(Kind::kTuple, pop_to_mark()); break;
      case 0x85: push_list(Kind::kTuple, pop_last(1)); break;
      case 0x86: push_list(Kind::kTuple, pop_last(2)); break;
      case 0x87: push_list(Kind::kTuple, pop_last(3)); break;
      case ']': push_list(Kind::kList, {}); break;
      case '}': push_list(Kind::kDict, {}); break;
      case 'a': extend(Kind::kList, pop_last(1)); break;    // APPEND
      case 'e': extend(Kind::kList, pop_to_mark()); break;  // APPENDS
      case 's': extend(Kind::kDict, pop_last(2)); break;    // SETITEM
      case 'u': extend(Kind::kDict, pop_to_mark()); break;  // SETITEMS
      case 'c': {                                           // GLOBAL
        const std::string module = read_line();
        push_global(module + "." + read_line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::vector<Ref> names = pop_last(2);
        push_global(text_of(names[0]) + "." + text_of(names[1]));
        break;
      }
      case 'h': push(memorized(number<uint8_t>())); break;
      case 'j': push(memorized(number<uint32_t>())); break;
      case 'q': memorize(number<uint8_t>()); break;
      case 'r': memorize(number<uint32_t>()); break;
      case 0x94: memorize(static_cast<uint32_t>(memo_.size())); break;  // MEMOIZE
      case 'Q': push_list(Kind::kPersistent, pop_last(1)); break;       // BINPERSID
      case 'R': reduce(); break;
      case 'b': build(); break;
      default: bad("opcode 0x{:02x} is not needed for weights; nothing of it was run, do not use this file", opcode);
    }
    return false;
  }

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("{} @ 0x{:x}: {}", where_, opcode_at_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> take(uint64_t size) {
    if (size > bytes_.size() - at_) {
      bad("{} bytes are left where {} are needed; the file is damaged", bytes_.size() - at_, size);
    }
    const auto result = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return result;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string read_line() {
    std::string line;
    while (true) {
      const char c = static_cast<char>(take(1)[0]);
      if (c == '\n') return line;
      line += c;
      if (line.size() > kMaxGlobalName) bad("the name of a global has more than {} bytes", kMaxGlobalName);
    }
  }

  void read_protocol() {
    const int protocol = number<uint8_t>();
    if (protocol < 2 || protocol > 5) bad("pickle protocol {} is not read, 2 to 5 are; save it again", protocol);
  }

  int64_t read_long() {
    const auto size = number<uint8_t>();
    const auto bytes = take(size);
    if (size > 8) bad("an integer has {} bytes; weights need at most 8", size);
    if (size == 0) return 0;
    uint64_t value = (static_cast<int>(bytes[size - 1u]) & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint64_t>(bytes[i]);
    return static_cast<int64_t>(value);
  }

  void push(Ref value) {
    if (stack_.size() >= kMaxValues) bad("more than {} values; save tensors only", kMaxValues);
    stack_.push_back(value);
  }

  // Lists may be copied, so their items are counted wherever they come from.
  void count_items(std::size_t count) {
    items_ += count;
    if (items_ > kMaxItems) bad("more than {} items of lists and dicts; save tensors only", kMaxItems);
  }

  void memorize(uint32_t index) {
    if (memo_.size() >= kMaxValues) bad("more than {} values in the memo; save tensors only", kMaxValues);
    memo_[index] = top();
  }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Ref top() const {
    if (stack_.size() <= floor()) bad("the stack is empty; the file is damaged");
    return stack_.back();
  }

  Ref pop() {
    const Ref value = top();
    stack_.pop_back();
    return value;
  }

  std::vector<Ref> drop_to(std::size_t size) {
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(size);
    std::vector<Ref> values(from, stack_.end());
    stack_.erase(from, stack_.end());
    return values;
  }

  std::vector<Ref> pop_last(std::size_t count) {
    if (stack_.size() - floor() < count) bad("the stack holds fewer than {} values; the file is damaged", count);
    return drop_to(stack_.size() - count);
  }

  std::size_t pop_mark() {
    if (marks_.empty()) bad("the stack has no mark; the file is damaged");
    const std::size_t mark = marks_.back();
    marks_.pop_back();
    return mark;
  }

  std::vector<Ref> pop_to_mark() { return drop_to(pop_mark()); }

  Ref memorized(uint32_t index) const {
    const auto found = memo_.find(index);
    if (found == memo_.end()) bad("memo {} is empty; the file is damaged", index);
    return found->second;
  }

  Pickle::Node& add(Kind kind) {
    auto& nodes = pickle_.nodes_;
    if (nodes.size() >= kMaxValues) bad("more than {} values; save tensors only", kMaxValues);
    push(static_cast<Ref>(nodes.size()));
    return nodes.emplace_back(Pickle::Node{kind});
  }

  void push_scalar(Kind kind, int64_t number) { add(kind).number = number; }

  void push_string(Kind kind, std::string text) {
    add(kind).number = static_cast<int64_t>(pickle_.texts_.size());
    pickle_.texts_.push_back(std::move(text));
  }

  void push_text(uint64_t size) {
    const auto bytes = take(size);
    push_string(Kind::kText, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  void push_list(Kind kind, std::vector<Ref> values) {
    count_items(values.size());
    add(kind).children = static_cast<uint32_t>(pickle_.lists_.size());
    pickle_.lists_.push_back(std::move(values));
  }

  void push_global(std::string name) {
    if (!is_allowed_(name)) {
      bad("asks for `{}`, which weights do not need; nothing of it was run, do not use this file, or save the state "
          "dict "
          "alone",
          name);
    }
    push_string(Kind::kGlobal, std::move(name));
  }

  std::string text_of(Ref value) const {
    const auto& node = pickle_.nodes_[value];
    if (node.kind != Kind::kText) bad("a global's name is no text; the file is damaged");
    return pickle_.texts_[static_cast<std::size_t>(node.number)];
  }

  void extend(Kind kind, const std::vector<Ref>& values) {
    const auto& node = pickle_.nodes_[top()];
    if (node.kind != kind) bad("adds items to what is no {}", kind == Kind::kDict ? "dict" : "list");
    if (kind == Kind::kDict && values.size() % 2 != 0) bad("a dict's key has no value; the file is damaged");
    auto& list = pickle_.lists_[node.children];
    count_items(values.size());
    list.insert(list.end(), values.begin(), values.end());
  }

  void reduce() {
    const std::vector<Ref> values = pop_last(2);
    const auto callee = pickle_.nodes_[values[0]];
    const auto arguments = pickle_.nodes_[values[1]];
    if (callee.kind != Kind::kGlobal) bad("calls what is no global; do not use this file");
    if (arguments.kind != Kind::kTuple) bad("a call's arguments are no tuple; the file is damaged");
    const std::string& name = pickle_.texts_[static_cast<std::size_t>(callee.number)];
    if (name == kOrderedDict) {
      push_list(Kind::kDict, items_of(pickle_.lists_[arguments.children]));
      return;
    }
    Pickle::Node& call = add(Kind::kCall);
    call.number = callee.number;
    call.children = arguments.children;
  }

  // Python 2 gives an OrderedDict its items as an argument: a list of [key, value].
  std::vector<Ref> items_of(const std::vector<Ref>& arguments) const {
    std::vector<Ref> items;
    if (arguments.empty()) return items;
    const auto& list = pickle_.nodes_[arguments[0]];
    if (arguments.size() > 1 || list.kind != Kind::kList) bad("an OrderedDict is made from no list of items");
    for (const Ref item : pickle_.lists_[list.children]) {
      const auto& pair = pickle_.nodes_[item];
      if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pickle_.lists_[pair.children].size() != 2) {
        bad("an OrderedDict is made from no list of items");
      }
      items.insert(items.end(), pickle_.lists_[pair.children].begin(), pickle_.lists_[pair.children].end());
    }
    return items;
  }

  // An OrderedDict's attributes (`_metadata` of state dicts), which nothing needs.
  void build() {
    pop();
    if (pickle_.nodes_[top()].kind != Kind::kDict) bad("sets attributes of an object; do not use this file");
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  const std::function<bool(std::string_view)>& is_allowed_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::size_t items_ = 0;
  Pickle pickle_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
};

Pickle Pickle::read(std::span<const std::byte> bytes, const std::string& where,
                    const std::function<bool(std::string_view)>& is_allowed) {
  return Unpickler(bytes, where, is_allowed).read();
}

int64_t Pickle::Value::integer() const { return kind() == Kind::kInteger || kind() == Kind::kBool ? node().number : 0; }

std::string_view Pickle::Value::text() const {
  if (kind() != Kind::kText && kind() != Kind::kGlobal && kind() != Kind::kCall) return {};
  return pickle_->texts_[static_cast<std::size_t>(node().number)];
}

std::size_t Pickle::Value::size() const {
  return kind() >= Kind::kTuple && kind() != Kind::kGlobal ? pickle_->lists_[node().children].size() : 0;
}

Pickle::Value Pickle::Value::operator[](std::size_t i) const { return {pickle_, pickle_->lists_[node().children][i]}; }

std::string Pickle::Value::description() const {
  switch (kind()) {
    case Kind::kNone: return "None";
    case Kind::kBool: return "a bool";
    case Kind::kInteger: return "an integer";
    case Kind::kFloat: return "a float";
    case Kind::kText: return "a text";
    case Kind::kTuple: return "a tuple";
    case Kind::kList: return "a list";
    case Kind::kDict: return "a dict";
    case Kind::kGlobal: return fmt::format("`{}`", text());
    case Kind::kCall: return fmt::format("a call of `{}`", text());
    case Kind::kPersistent: return "a storage";
  }
  return {};
}

}  // namespace crossload
