#include "config/yaml_tree.h"

#include <exception>
#include <istream>
#include <optional>
#include <sstream>
#include <streambuf>

#include "absl/container/flat_hash_map.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace sluice::config {
namespace {

std::string LineText(std::string_view file, std::size_t line) { return base::Cat(file, ":", line); }

std::size_t LineOf(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  for (const char c : text.substr(0, offset)) line += c == '\n' ? 1 : 0;
  return line;
}

// Length of the well-formed UTF-8 sequence at the front (RFC 3629), 0 when there is none.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // Overlong.
    if (first == 0xED && byte(1) > 0x9F) return 0;  // A surrogate.
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// yaml-cpp guesses encodings and lets control bytes pass: only plain UTF-8 text gets that far.
std::optional<std::size_t> FindBadByte(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0x7F || (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r')) return i;
    const std::size_t length = SequenceLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::optional<unsigned> HexUnit(std::string_view text) {  // Of "\uXXXX".
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  unsigned value = 0;
  const auto result = std::from_chars(text.data() + 2, text.data() + 6, value, 16);
  if (result.ec != std::errc() || result.ptr != text.data() + 6) return std::nullopt;
  return value;
}

// JSON writes characters beyond U+FFFF as two \u escapes, which YAML does not know: they become
// the one \U escape that YAML has for them.
std::string JoinSurrogates(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    const std::optional<unsigned> high = HexUnit(text.substr(i));
    const std::optional<unsigned> low =
        high ? HexUnit(text.substr(i + 6)) : std::optional<unsigned>();
    if (high && low && *high >= 0xD800 && *high < 0xDC00 && *low >= 0xDC00 && *low < 0xE000) {
      const unsigned code = 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00);
      out += "\\U";
      for (int shift = 28; shift >= 0; shift -= 4) {
        out += "0123456789ABCDEF"[code >> static_cast<unsigned>(shift) & 15U];
      }
      i += 12;
    } else {
      out.append(text.substr(i, 2));  // The escaped byte may be a backslash itself.
      i += 2;
    }
  }
  return out;
}

// Only JSON text is given that treatment: there a backslash is always inside double quotes.
bool LooksLikeJson(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

// Reads the caller's bytes in place.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // Only read: there is no overflow().
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

// Takes yaml-cpp's events. After a first fatal error it ignores the rest, since the parser can only
// be stopped by throwing.
class YamlTreeBuilder final : public YAML::EventHandler {
 public:
  YamlTreeBuilder(YamlTree& tree, std::string_view file, base::FieldErrors& errors)
      : tree_(tree), file_(file), errors_(errors) {}

  bool failed() const { return failed_; }
  bool duplicates() const { return duplicates_; }

  void Fail(std::size_t line, std::string_view message) {
    if (failed_) return;
    failed_ = true;
    errors_.AddLocated(LineText(file_, line), message);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) Fail(Line(mark), "only one document per file is read");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed_) return;
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) {
      Fail(Line(mark), "an alias to nothing");
      return;
    }
    Attach(it->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode* node = Add(mark, anchor, YamlNode::Kind::kScalar);
    if (node == nullptr) return;
    node->text = value;
    node->plain = tag == "?" || tag.empty();
    if (tag != "?" && tag != "!" && !tag.empty() && tag != "tag:yaml.org,2002:str") {
      Fail(node->line, base::Cat("tag ", base::Printable(tag), " is not supported"));
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    static_cast<void>(tag);
    static_cast<void>(style);
    Open(mark, anchor, YamlNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    static_cast<void>(tag);
    static_cast<void>(style);
    Open(mark, anchor, YamlNode::Kind::kMapping);
  }
  void OnMapEnd() override {
    if (!failed_) CheckKeys(tree_.nodes_[stack_.back()]);
    Close();
  }

 private:
  static std::size_t Line(const YAML::Mark& mark) {
    return static_cast<std::size_t>(mark.line) + 1;
  }

  YamlNode* Add(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (failed_) return nullptr;
    if (tree_.nodes_.size() >= YamlTree::kNodesMax) {
      Fail(Line(mark), base::Cat("more than ", YamlTree::kNodesMax, " values"));
      return nullptr;
    }
    const auto index = static_cast<std::uint32_t>(tree_.nodes_.size());
    YamlNode& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.line = static_cast<std::uint32_t>(Line(mark));
    node.column = static_cast<std::uint32_t>(mark.column + 1);
    if (anchor != 0) anchors_[anchor] = index;
    Attach(index);
    return &tree_.nodes_[index];
  }

  void Attach(std::uint32_t index) {
    if (!stack_.empty()) {
      tree_.nodes_[stack_.back()].children.push_back(index);
    } else if (documents_ <= 1) {
      tree_.root_ = index;
    }
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    const auto index = static_cast<std::uint32_t>(tree_.nodes_.size());
    if (Add(mark, anchor, kind) == nullptr) return;
    stack_.push_back(index);
    if (stack_.size() > static_cast<std::size_t>(YamlTree::kDepthMax)) {
      Fail(Line(mark), base::Cat("more than ", YamlTree::kDepthMax, " levels"));
    }
  }

  void Close() {
    if (!failed_) stack_.pop_back();
  }

  void CheckKeys(const YamlNode& mapping) {
    base::StringMap<std::uint32_t> lines;
    for (std::size_t i = 0; i < mapping.children.size(); i += 2) {
      const YamlNode& key = tree_.nodes_[mapping.children[i]];
      if (key.kind != YamlNode::Kind::kScalar) {
        Fail(key.line == 0 ? mapping.line : key.line, "a key must be a word or a quoted string");
        return;
      }
      const auto [it, added] = lines.emplace(key.text, key.line);
      if (added) continue;
      errors_.AddLocated(LineText(file_, key.line),
                         base::Cat("duplicate key \"", base::Printable(key.text),
                                   "\", first in line ", it->second));
      duplicates_ = true;
    }
  }

  YamlTree& tree_;
  const std::string_view file_;
  base::FieldErrors& errors_;
  std::vector<std::uint32_t> stack_;
  absl::flat_hash_map<YAML::anchor_t, std::uint32_t> anchors_;
  int documents_ = 0;
  bool failed_ = false;
  bool duplicates_ = false;
};

bool YamlTree::Parse(std::string_view text, std::string_view file, base::FieldErrors& errors) {
  nodes_.clear();
  nodes_.emplace_back();
  nodes_.back().line = 1;
  nodes_.back().column = 1;
  root_ = 0;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (text.size() > kBytesMax) {
    errors.AddLocated(LineText(file, 1), base::Cat("more than ", kBytesMax >> 20, " MiB"));
    return false;
  }
  if (const std::optional<std::size_t> bad = FindBadByte(text)) {
    errors.AddLocated(
        LineText(file, LineOf(text, *bad)),
        base::Cat("byte ", base::Printable(text.substr(*bad, 1)), " is not UTF-8 text"));
    return false;
  }
  std::string joined;
  if (LooksLikeJson(text)) text = joined = JoinSurrogates(text);

  YamlTreeBuilder builder(*this, file, errors);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& exception) {
    const int line = exception.mark.is_null() ? 0 : exception.mark.line;
    builder.Fail(static_cast<std::size_t>(line) + 1, exception.msg);
  } catch (const std::exception& exception) {
    builder.Fail(1, exception.what());
  }
  if (builder.failed()) {  // Half a tree would only cause more errors.
    nodes_.resize(1);
    root_ = 0;
  }
  return !builder.failed() && !builder.duplicates();
}

const YamlNode* YamlTree::Find(const YamlNode& mapping, std::string_view key) const {
  if (mapping.kind != YamlNode::Kind::kMapping) return nullptr;
  for (std::size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
    if (node(mapping.children[i]).text == key) return &node(mapping.children[i + 1]);
  }
  return nullptr;
}

std::string YamlLocation(std::string_view file, const YamlNode& node) {
  return LineText(file, node.line);
}

bool IsPlainBool(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kScalar && node.plain &&
         (node.text == "true" || node.text == "false");
}

bool IsPlainNumber(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || !node.plain) return false;
  std::string_view text = node.text;
  const auto digits = [&text] {
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count > 0;
  };
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (!digits()) return false;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    digits();
  }
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    if (!digits()) return false;
  }
  return text.empty();
}

}  // namespace sluice::config
