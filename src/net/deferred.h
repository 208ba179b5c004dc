#pragma once
// A call put off to the end of the loop's turn. Intrusive: no allocation, and destroying it
// cancels the call, so an object may die between an event and what it deferred.
//
// Loop's thread only.

namespace sluice::net {

class Loop;

class Deferred {
 public:
  using Run = void (*)(void* owner);
  Deferred(Loop& loop, Run run, void* owner) : loop_(loop), run_(run), owner_(owner) {}
  ~Deferred() { Cancel(); }
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  // Once per turn however often it is called; `run` may destroy this object.
  void Schedule();
  void Cancel();
  bool scheduled() const { return scheduled_; }

 private:
  friend class Loop;
  Loop& loop_;
  Run run_;
  void* owner_;
  Deferred* next_ = nullptr;
  Deferred* previous_ = nullptr;
  bool scheduled_ = false;
};

}  // namespace sluice::net
