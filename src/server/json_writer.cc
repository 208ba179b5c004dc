#include "server/json_writer.h"

namespace sluice::server {

void JsonWriter::NewLine() {
  *out_ += '\n';
  out_->append(open_.size(), ' ');
}

void JsonWriter::BeginValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (open_.empty()) return;
  if (!first_) *out_ += ',';
  NewLine();
  first_ = false;
}

void JsonWriter::Open(char bracket) {
  BeginValue();
  *out_ += bracket;
  open_ += bracket == '{' ? '}' : ']';
  first_ = true;
}

void JsonWriter::Close() {
  const char bracket = open_.back();
  open_.pop_back();
  if (!first_) NewLine();
  first_ = false;
  *out_ += bracket;
  if (open_.empty()) *out_ += '\n';
}

void JsonWriter::Key(std::string_view key) {
  BeginValue();
  base::AppendJsonString(*out_, key);
  *out_ += ": ";
  after_key_ = true;
}

void JsonWriter::Text(std::string_view value) {
  BeginValue();
  base::AppendJsonString(*out_, value);
}

void JsonWriter::Raw(std::string_view json) {
  BeginValue();
  *out_ += json;
}

}  // namespace sluice::server
