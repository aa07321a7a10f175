#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <sstream>

#include "common/config/loader.h"
#include "common/config/open_quote.h"
#include "common/names/utf8.h"

namespace mansio::config {
namespace {

// Turns the parser's events into settings. No tree is built, so nothing can be expanded.
class SettingsCollector final : public YAML::EventHandler {
 public:
  SettingsCollector(std::string_view file, std::vector<std::string>* errors)
      : file_(file), errors_(errors) {}

  std::vector<Setting> Take() { return std::move(settings_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Scalar(mark, anchor, "", true);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    Scalar(mark, anchor, value, false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    Error(mark, "aliases (*name) are not accepted; write the value out");
    Scalar(mark, 0, "", true);
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    if (IsBadStart(mark, "a map")) return;
    const std::string prefix = frames_.empty() ? "" : PathOf(frames_.back()) + ".";
    frames_.push_back({.is_map = true, .prefix = prefix, .line = mark.line + 1});
  }
  void OnMapEnd() override { EndCollection(); }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    if (IsBadStart(mark, "a list")) return;
    if (frames_.empty()) {
      Error(mark, "a list stands where keys and values belong");
      ++ignored_depth_;
      return;
    }
    frames_.push_back({.is_map = false, .prefix = PathOf(frames_.back()), .line = mark.line + 1});
  }
  void OnSequenceEnd() override { EndCollection(); }

 private:
  struct Frame {
    bool is_map = false;
    std::string prefix;  // of a map's keys; of a list: its own name
    int line = 0;
    bool has_key = false;  // a key was read and its value comes next
    std::string key;
    int key_line = 0;
    size_t items = 0;
    std::string joined;  // a list's items
  };

  static std::string PathOf(const Frame& frame) { return frame.prefix + frame.key; }

  void Error(const YAML::Mark& mark, std::string_view sentence) {
    errors_->push_back(fmt::format("{}:{}: {}", file_, mark.line + 1, sentence));
  }

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Error(mark, "anchors (&name) are not accepted; write the value out");
  }

  // A collection is only good at the root or as the value of a map's key; others are skipped.
  bool IsBadStart(const YAML::Mark& mark, std::string_view what) {
    if (ignored_depth_ == 0 && (frames_.empty() || frames_.back().has_key)) return false;
    if (ignored_depth_++ == 0) {
      Error(mark, frames_.back().is_map ? fmt::format("{} stands where a key belongs", what)
                                        : fmt::format("{} stands inside a list; a list holds "
                                                      "single values only",
                                                      what));
      // As a key it has no name; its value is then reported under this one.
      if (frames_.back().is_map) Consume(mark, "?", false);
    }
    return true;
  }

  void Scalar(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& text,
              bool is_null) {
    if (ignored_depth_ > 0) return;
    RefuseAnchor(mark, anchor);
    if (frames_.empty()) {
      // An empty document is a null.
      if (!is_null) Error(mark, "the file must consist of lines 'key: value'");
      return;
    }
    Consume(mark, text, is_null);
  }

  void Consume(const YAML::Mark& mark, const std::string& text, bool is_null) {
    Frame& frame = frames_.back();
    if (!frame.is_map) {
      if (frame.items > 0) frame.joined += ",";
      frame.joined += text;
    } else if (!frame.has_key) {
      frame.has_key = true;
      frame.key = text;
      frame.key_line = mark.line + 1;
    } else {
      settings_.push_back(
          {.name = PathOf(frame), .text = text, .line = frame.key_line, .is_empty = is_null});
      frame.has_key = false;
      frame.key.clear();
    }
    ++frame.items;
  }

  void EndCollection() {
    if (ignored_depth_ > 0) {
      --ignored_depth_;
      return;
    }
    const Frame ended = std::move(frames_.back());
    frames_.pop_back();
    if (frames_.empty()) return;
    Frame& parent = frames_.back();
    if (!ended.is_map || ended.items == 0) {
      settings_.push_back({.name = PathOf(parent),
                           .text = ended.joined,
                           .line = parent.key_line,
                           .is_empty = ended.items == 0,
                           .is_list = !ended.is_map});
    }
    parent.has_key = false;
    parent.key.clear();
    ++parent.items;
  }

  const std::string file_;
  std::vector<std::string>* const errors_;
  std::vector<Setting> settings_;
  std::vector<Frame> frames_;
  size_t ignored_depth_ = 0;  // inside collections that were refused
};

}  // namespace

std::vector<Setting> ReadYaml(std::string_view file, std::string_view content,
                              std::vector<std::string>* errors) {
  if (const auto line = LineOfOpenQuote(content); line.has_value()) {
    // What the parser made of the rest would only be misleading.
    errors->push_back(fmt::format(
        "{}:{}: a quote that begins here does not end in this line; close it", file, *line));
    return {};
  }
  SettingsCollector collector(file, errors);
  try {
    std::istringstream stream{std::string(content)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(collector) && parser.HandleNextDocument(collector)) {
      errors->push_back(fmt::format("{}: it holds more than one YAML document ('---')", file));
    }
  } catch (const YAML::Exception& error) {
    errors->push_back(fmt::format("{}:{}: this is not valid YAML: {}", file, error.mark.line + 1,
                                  EscapeForLog(error.msg)));
  } catch (const std::exception& error) {
    errors->push_back(
        fmt::format("{}: this cannot be read as YAML: {}", file, EscapeForLog(error.what())));
  }
  return collector.Take();
}

}  // namespace mansio::config
