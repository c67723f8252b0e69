// Flags with the numbers of the C header, and what an acceptor demands of them.
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/platform/select.hpp>

#include "support/catch.hpp"

using namespace gsskey;

static_assert(ContextFlags::from_bits(0x40000020).contains(ContextFlag::integrity));
static_assert(ContextFlags::from_bits(0x40000020).without(ContextFlag::integrity).bits() == 0x40000000);

// The flags are those of the C header.
static_assert(static_cast<unsigned>(ContextFlag::delegate) == GSS_C_DELEG_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::mutual) == GSS_C_MUTUAL_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::replay) == GSS_C_REPLAY_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::sequence) == GSS_C_SEQUENCE_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::confidentiality) == GSS_C_CONF_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::integrity) == GSS_C_INTEG_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::anonymous) == GSS_C_ANON_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::prot_ready) == GSS_C_PROT_READY_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::transferable) == GSS_C_TRANS_FLAG);

TEST_CASE("a demand is met by all of some flags and one of some others") {
  using enum ContextFlag;
  const auto demand = ContextDemand{integrity, confidentiality}.and_one_of(replay | sequence);
  CHECK(demand.missing_from(integrity | confidentiality | ContextFlags{sequence}).empty());
  CHECK(demand.missing_from(integrity | confidentiality | ContextFlags{replay} | ContextFlags{mutual}).empty());
  CHECK(demand.missing_from(integrity | replay) == ContextFlags{confidentiality});
  CHECK(demand.missing_from(integrity | confidentiality) == (replay | sequence));
  CHECK(demand.missing_from({}) == ContextFlags::from_bits(4 | 8 | 16 | 32));
  CHECK(ContextDemand{}.missing_from({}).empty());
  CHECK(ContextDemand{}.empty());
  CHECK_FALSE(ContextDemand{}.and_one_of(replay).empty());
}

TEST_CASE("demands together: all of both; what meets either") {
  using enum ContextFlag;
  const ContextDemand order = ContextDemand{integrity}.and_one_of(sequence);
  const ContextDemand secret{integrity, confidentiality};
  CHECK((secret | ContextFlags{mutual}) == ContextDemand{integrity, confidentiality, mutual});
  CHECK((order | ContextFlags{mutual}).one_of() == ContextFlags{sequence});
  CHECK((order & secret) == ContextDemand{integrity});
  CHECK((order & ContextDemand{mutual}.and_one_of(replay)) == ContextDemand{}.and_one_of(replay | sequence));
}
