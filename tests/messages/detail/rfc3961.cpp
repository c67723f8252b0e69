// The test vectors of RFC 3961, 3962, 6803 and 8009, through the interface that MessageProtector uses.
#include <gsskey/messages/detail/cts_cipher.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/must.hpp"

using namespace gsskey;
using namespace gsskey::rfc3961;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

Bytes hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    bytes.push_back(static_cast<unsigned char>(std::stoi(std::string{digits.substr(at, 2)}, nullptr, 16)));
  }
  return bytes;
}
Bytes bytes_of(ByteView view) { return {view.begin(), view.end()}; }

const EncryptionType& type_of(int number) {
  const EncryptionType* type = find_encryption_type(number);
  REQUIRE(type != nullptr);
  return *type;
}

Bytes sealed(SealingKey& key, const Bytes& confounder, ByteView body, ByteView trailer, std::size_t mac_size) {
  Bytes out(16 + body.size() + trailer.size() + mac_size + 1, 0xee);
  REQUIRE(key.seal(confounder.data(), body, trailer, out.data()));
  REQUIRE(out.back() == 0xee);
  out.pop_back();
  return out;
}
struct Plain {
  Opened opened;
  Bytes body;
};
Plain opened(OpeningKey& key, const Bytes& bytes, std::size_t mac_size, std::size_t rotation = 0) {
  Plain plain{Opened::failed, Bytes(bytes.size() - 16 - mac_size)};
  unsigned char trailer[16];
  plain.opened = key.open(RotatedView{bytes, rotation}, plain.body.data(), plain.body.size(), trailer);
  return plain;
}

}  // namespace

TEST_CASE("derived keys") {
  const struct {
    int type;
    const char* base;
    const char* kc;
    const char* ke;
    const char* ki;
  } table[] = {
      {17, "42263C6E89F4FC28B8DF68EE09799F15", "34280A382BC92769B2DA2F9EF066854B", "5B14FC4E250E14DDF9DCCF1AF6674F53",
       "4ED31063621684F09AE8D89991AF3E8F"},
      {18, "FE697B52BC0D3CE14432BA036A92E65BBB52280990A2FA27883998D72AF30161",
       "BFAB388BDCB238E9F9C98D6A878304F04D30C82556375AC507A7A852790F4674",
       "C7CFD9CD75FE793A586A542D87E0D1396F1134A104BB1A9190B8C90ADA3DDF37",
       "97151B4C76945063E2EB0529DC067D97D7BBA90776D8126D91F34F3101AEA8BA"},
      {19, "3705D96080C17728A0E800EAB6E0D23C", "B31A018A48F54776F403E9A396325DC3", "9B197DD1E8C5609D6E67C3E37C62C72E",
       "9FDA0E56AB2D85E1569A688696C26A6C"},
      {20, "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52",
       "EF5718BE86CC84963D8BBB5031E9F5C4BA41F28FAF69E73D",
       "56AB22BEE63D82D7BC5227F6773F8EA7A5EB1C825160C38312980C442E5C7E49",
       "69B16514E3CD8E56B82010D5C73012B622C4D00FFC23ED1F"},
      {25, "57D0297298FFD9D35DE5A47FB4BDE24B", "D155775A209D05F02B38D42A389E5A56", "64DF83F85A532F17577D8C37035796AB",
       "3E4FBDF30FB8259C425CB6C96F1F4635"},
      {26, "B9D6828B2056B7BE656D88A123B1FAC68214AC2B727ECF5F69AFE0C4DF2A6D2C",
       "E467F9A9552BC7D3155A6220AF9C19220EEED4FF78B0D1E6A1544991461A9E50",
       "412AEFC362A7285FC3966C6A5181E7605AE675235B6D549FBFC9AB6630A4C604",
       "FA624FA0E523993FA388AEFDC67E67EBCD8C08E8A0246B1D73B0D1DD9FC582B0"},
  };
  for (const auto& row : table) {
    CAPTURE(row.type);
    const EncryptionType& type = type_of(row.type);
    const Bytes base = hex(row.base);
    CHECK(bytes_of(must(derive_key(type, base, 2, Purpose::checksum))) == hex(row.kc));
    CHECK(bytes_of(must(derive_key(type, base, 2, Purpose::encryption))) == hex(row.ke));
    CHECK(bytes_of(must(derive_key(type, base, 2, Purpose::integrity))) == hex(row.ki));
    const auto cut = derive_key(type, ByteView{base}.subview(1), 2, Purpose::checksum);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().domain() == Domain::usage);
  }
}

/// KRB5KDF for any cipher of OpenSSL's.
Bytes krb5kdf(const char* cipher, ByteView key, ByteView constant, std::size_t size) {
  Bytes derived(size);
  OSSL_PARAM parameters[] = {rfc3961::detail::bytes_parameter(OSSL_KDF_PARAM_KEY, key),
                             rfc3961::detail::text_parameter(OSSL_KDF_PARAM_CIPHER, cipher),
                             rfc3961::detail::bytes_parameter(OSSL_KDF_PARAM_CONSTANT, constant),
                             OSSL_PARAM_construct_end()};
  const auto kdf = rfc3961::detail::Kdf::adopt(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_KRB5KDF, nullptr));
  const auto context = rfc3961::detail::KdfContext::adopt(EVP_KDF_CTX_new(kdf.get()));
  REQUIRE(EVP_KDF_derive(context.get(), derived.data(), derived.size(), parameters) == 1);
  return derived;
}

/// n-fold by the words of RFC 3961 section 5.1: copies of the input, each turned right by 13 bits more than the one
/// before, cut into pieces of `size` octets that are added in ones' complement.
Bytes n_fold(ByteView input, std::size_t size) {
  const std::size_t bits = 8 * input.size();
  std::vector<unsigned> sum(size);
  for (std::size_t at = 0; at < std::lcm(input.size(), size); ++at) {
    const std::size_t turn = 13 * (at / input.size()) % bits;
    for (std::size_t bit = 0; bit < 8; ++bit) {
      const std::size_t from = (8 * (at % input.size()) + bit + bits - turn) % bits;
      const unsigned octet = input[from / 8];
      sum[at % size] += (octet >> (7 - from % 8) & 1u) << (7 - bit);
    }
  }
  unsigned carry = 0;
  do {
    for (std::size_t at = size; at-- > 0;) {
      carry += sum[at];
      sum[at] = carry & 0xff;
      carry >>= 8;
    }
  } while (carry != 0);
  return {sum.begin(), sum.end()};
}

// What derives keys is KRB5KDF, which folds to the size of a block: n_fold() is what it is held against.
TEST_CASE("n-fold of RFC 3961 appendix A.1, and what KRB5KDF folds") {
  const struct {
    std::string_view input;
    const char* folded;
  } table[] = {
      {"012345", "BE072631276B1955"},
      {"password", "78A07B6CAF85FA"},
      {"Rough Consensus, and Running Code", "BB6ED30870B7F0E0"},
      {"password", "59E4A8CA7C0385C3C37B3F6D2000247CB6E6BD5B3E"},
      {"MASSACHVSETTS INSTITVTE OF TECHNOLOGY", "DB3B0D8F0B061E603282B308A50841229AD798FAB9540C1B"},
      {"Q", "518A54A215A8452A518A54A215A8452A518A54A215"},
      {"ba", "FB25D531AE8974499F52FD92EA9857C4BA24CF297E"},
      {"kerberos", "6B65726265726F73"},
      {"kerberos", "6B65726265726F737B9B5B2B93132B93"},
      {"kerberos", "8372C236344E5F1550CD0747E15D62CA7A5A3BCEA4"},
      {"kerberos", "6B65726265726F737B9B5B2B93132B935C9BDCDAD95C9899C4CAE4DEE6D6CAE4"},
  };
  for (const auto& row : table) {
    CAPTURE(row.input, row.folded);
    CHECK(n_fold(row.input, hex(row.folded).size()) == hex(row.folded));
  }

  // DK(key, constant) begins with the encryption of the fold.
  const Bytes key = bytes_of("chicken teriyaki");
  auto cipher = must(ChainedCipher::create(type_of(17), key, false));
  const auto folded_by_openssl = [&](ByteView constant) {
    const Bytes encrypted = krb5kdf("AES-128-CBC", key, constant, 16);
    Bytes block = encrypted;
    REQUIRE(cipher.update(block.data(), block.size(), block.data()));
    rfc3961::detail::exclusive_or(block.data(), cipher.chained());
    cipher.end(encrypted.data());
    return block;
  };
  CHECK(folded_by_openssl("kerberos") == hex("6B65726265726F737B9B5B2B93132B93"));
  for (unsigned usage = 0; usage < 300; ++usage) {
    for (const Purpose purpose : {Purpose::checksum, Purpose::encryption, Purpose::integrity}) {
      const unsigned char constant[] = {0, 0, static_cast<unsigned char>(usage >> 8), static_cast<unsigned char>(usage),
                                        static_cast<unsigned char>(purpose)};
      CAPTURE(usage, static_cast<int>(purpose));
      REQUIRE(folded_by_openssl(constant) == n_fold(constant, 16));
    }
  }
}

// RFC 3961 A.3 derives keys of DES3, which no context here uses; KRB5KDF is the same function for all.
TEST_CASE("DK of RFC 3961 appendix A.3") {
  const struct {
    const char* key;
    const char* constant;
    const char* derived;
  } table[] = {
      {"dce06b1f64c857a11c3db57c51899b2cc1791008ce973b92", "0000000155",
       "925179d04591a79b5d3192c4a7e9c289b049c71f6ee604cd"},
      {"5e13d31c70ef765746578531cb51c15bf11ca82c97cee9f2", "00000001aa",
       "9e58e5a146d9942a101c469845d67a20e3c4259ed913f207"},
      {"98e6fd8a04a4b6859b75a176540b9752bad3ecd610a252bc", "0000000155",
       "13fef80d763e94ec6d13fd2ca1d085070249dad39808eabf"},
      {"622aec25a2fe2cad7094680b7c64940280084c1a7cec92b5", "00000001aa",
       "f8dfbf04b097e6d9dc0702686bcb3489d91fd9a4516b703e"},
      {"d3f8298ccb166438dcb9b93ee5a7629286a491f838f802fb", "6b65726265726f73",
       "2370da575d2a3da864cebfdc5204d56df779a7df43d9da43"},
      {"c1081649ada74362e6a1459d01dfd30d67c2234c940704da", "0000000155",
       "348057ec98fdc48016161c2a4c7a943e92ae492c989175f7"},
      {"5d154af238f46713155719d55e2f1f790dd661f279a7917c", "00000001aa",
       "a8808ac267dada3dcbe9a7c84626fbc761c294b01315e5c1"},
      {"798562e049852f57dc8c343ba17f2ca1d97394efc8adc443", "0000000155",
       "c813f88a3be3b334f75425ce9175fbe3c8493b89c8703b49"},
      {"26dce334b545292f2feab9a8701a89a4b99eb9942cecd016", "00000001aa",
       "f48ffd6e83f83e7354e694fd252cf83bfe58f7d5ba37ec5d"},
  };
  for (const auto& row : table) {
    CHECK(krb5kdf("DES-EDE3-CBC", hex(row.key), hex(row.constant), 24) == hex(row.derived));
  }
  // DR, before it is made a key.
  CHECK(krb5kdf("DES-EDE3-CBC", hex(table[0].key), hex(table[0].constant), 21) ==
        hex("935079d14490a75c3093c4a6e8c3b049c71e6ee705"));
}

// RFC 3962 appendix B gives ciphertext without checksum: what seal() writes before it, with the confounder as the
// first block of the input, under a key that is not derived.
TEST_CASE("ciphertext stealing of RFC 3962") {
  const std::string_view text = "I would like the General Gau's Chicken, please, and wonton soup.";
  const struct {
    std::size_t size;
    const char* output;
  } table[] = {
      {17, "C6353568F2BF8CB4D8A580362DA7FF7F97"},
      {31, "FC00783E0EFDB2C1D445D4C8EFF7ED2297687268D6ECCCC0C07B25E25ECFE5"},
      {32, "39312523A78662D5BE7FCBCC98EBF5A897687268D6ECCCC0C07B25E25ECFE584"},
      {47, "97687268D6ECCCC0C07B25E25ECFE584B3FFFD940C16A18C1B5549D2F838029E39312523A78662D5BE7FCBCC98EBF5"},
      {48, "97687268D6ECCCC0C07B25E25ECFE5849DAD8BBB96C4CDC03BC103E1A194BBD839312523A78662D5BE7FCBCC98EBF5A8"},
      {64,
       "97687268D6ECCCC0C07B25E25ECFE58439312523A78662D5BE7FCBCC98EBF5A84807EFE836EE89A526730DBC2F7BC8409DAD8BBB96C4CD"
       "C03BC103E1A194BBD8"}};
  const EncryptionType& type = type_of(17);
  const Bytes key = bytes_of("chicken teriyaki");
  auto sealing = must(SealingKey::with_keys(type, key, key));
  auto opening = must(OpeningKey::with_keys(type, key, key));
  for (int round = 0; round < 2; ++round) {  // the second one chains to the first
    for (const auto& row : table) {
      CAPTURE(row.size, round);
      const Bytes input = bytes_of(text.substr(0, row.size));
      const Bytes first{input.begin(), input.begin() + 16};
      const Bytes out = sealed(sealing, first, ByteView{input}.subview(16), {}, type.mac_size);
      CHECK(Bytes(out.begin(), out.end() - 12) == hex(row.output));
      const auto plain = opened(opening, out, type.mac_size);
      CHECK(plain.opened == Opened::whole);
      CHECK(plain.body == Bytes(input.begin() + 16, input.end()));
    }
  }
}

TEST_CASE("sample encryptions of RFC 8009 and RFC 6803, with their confounders") {
  const Bytes counting = hex("000102030405060708090A0B0C0D0E0F1011121314");
  const auto first = [&](std::size_t size) {
    return Bytes(counting.begin(), counting.begin() + static_cast<long>(size));
  };
  const struct {
    int type;
    unsigned usage;
    const char* base;
    const char* confounder;
    Bytes plain;
    const char* sealed;
  } table[] = {
      {19,
       2,
       "3705D96080C17728A0E800EAB6E0D23C",
       "7E5895EAF2672435BAD817F545A37148",
       {},
       "EF85FB890BB8472F4DAB20394DCA781DAD877EDA39D50C870C0D5A0A8E48C718"},
      {19, 2, "3705D96080C17728A0E800EAB6E0D23C", "7BCA285E2FD4130FB55B1A5C83BC5B24", first(6),
       "84D7F30754ED987BAB0BF3506BEB09CFB55402CEF7E6877CE99E247E52D16ED4421DFDF8976C"},
      {19, 2, "3705D96080C17728A0E800EAB6E0D23C", "56AB21713FF62C0A1457200F6FA9948F", first(16),
       "3517D640F50DDC8AD3628722B3569D2AE07493FA8263254080EA65C1008E8FC295FB4852E7D83E1E7C48C37EEBE6B0D3"},
      {19, 2, "3705D96080C17728A0E800EAB6E0D23C", "A7A4E29A4728CE10664FB64E49AD3FAC", first(21),
       "720F73B18D9859CD6CCB4346115CD336C70F58EDC0C4437C5573544C31C813BCE1E6D072C186B39A413C2F92CA9B8334A287FFCBFC"},
      {20,
       2,
       "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52",
       "F764E9FA15C276478B2C7D0C4E5F58E4",
       {},
       "41F53FA5BFE7026D91FAF9BE959195A058707273A96A40F0A01960621AC612748B9BBFBE7EB4CE3C"},
      {20, 2, "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52", "B80D3251C1F6471494256FFE712D0B9A",
       first(6), "4ED7B37C2BCAC8F74F23C1CF07E62BC7B75FB3F637B9F559C7F664F69EAB7B6092237526EA0D1F61CB20D69D10F2"},
      {20, 2, "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52", "53BF8A0D105265D4E276428624CE5E63",
       first(16),
       "BC47FFEC7998EB91E8115CF8D19DAC4BBBE2E163E87DD37F49BECA92027764F68CF51F14D798C2273F35DF574D1F932E40C4FF255B36A2"
       "66"},
      {20, 2, "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52", "763E65367E864F02F55153C7E3B58AF1",
       first(21),
       "40013E2DF58E8751957D2878BCD2D6FE101CCFD556CB1EAE79DB3C3EE86429F2B2A602AC86FEF6ECB647D6295FAE077A1FEB517508D2C1"
       "6B4192E01F62"},
      {25,
       0,
       "1DC46A8D763F4F93742BCBA3387576C3",
       "B69822A19A6B09C0EBC8557D1F1B6C0A",
       {},
       "C466F1871069921EDB7C6FDE244A52DB0BA10EDC197BDB8006658CA3CCCE6EB8"},
      {25, 1, "5027BC231D0F3A9D23333F1CA6FDBE7C", "6F2FC3C2A166FD8898967A83DE9596D9", bytes_of("1"),
       "842D21FD950311C0DD464A3F4BE8D6DA88A56D559C9B47D3F9A85067AF661559B8"},
      {25, 2, "A1BB61E805F9BA6DDE8FDBDDC05CDEA0", "A5B4A71E077AEEF93C8763C18FDB1F10", bytes_of("9 bytesss"),
       "619FF072E36286FF0A28DEB3A352EC0D0EDF5C5160D663C901758CCF9D1ED33D71DB8F23AABF8348A0"},
      {25, 3, "2CA27A5FAF5532244506434E1CEF6676", "19FEE40D810C524B5B22F01874C693DA", bytes_of("13 bytes byte"),
       "B8ECA3167AE6315512E59F98A7C500205E5F63FF3BB389AF1C41A21D640D8615C9ED3FBEB05AB6ACB67689B5EA"},
      {25, 4, "7824F8C16F83FF354C6BF7515B973F43", "CA7A7AB4BE192DABD603506DB19C39E2",
       bytes_of("30 bytes bytes bytes bytes byt"),
       "A26A3905A4FFD5816B7B1E27380D08090C8EC1F304496E1ABDCD2BDCD1DFFC660989E117A713DDBB57A4146C1587CBA4356665591D22402"
       "82F5842B105A5"},
      {26, 0, "B61C86CC4E5D2757545AD423399FB7031ECAB913CBB900BD7A3C6DD8BF92015B", "3CBBD2B45917941067F96599BB98926C",
       bytes_of(""), "03886D03310B47A6D8F06D7B94D1DD837ECCE315EF652AFF620859D94A259266"},
      {26, 1, "1B97FE0A190E2021EB30753E1B6E1E77B0754B1D684610355864104963463833", "DEF487FCEBE6DE6346D4DA4521BBA2D2",
       bytes_of("1"), "2C9C1570133C99BF6A34BC1B0212002FD194338749DB4135497A347CFCD9D18A12"},
      {26, 2, "32164C5B434D1D1538E4CFD9BE8040FE8C4AC7ACC4B93D3314D2133668147A05", "AD4FF904D34E555384B14100FC465F88",
       bytes_of("9 bytesss"), "9C6DE75F812DE7ED0D28B2963557A115640998275B0AF5152709913FF52A2A9C8E63B872F92E64C839"},
      {26, 3, "B038B132CD8E06612267FAB7170066D88AECCBA0B744BFC60DC89BCA182D0715", "CF9BCA6DF1144E0C0AF9B8F34C90D514",
       bytes_of("13 bytes byte"),
       "EEEC85A9813CDC536772AB9B42DEFC5706F726E975DDE05A87EB5406EA324CA185C9986B42AABE794B84821BEE"},
      {26, 4, "CCFCD349BF4C6677E86E4B02B8EAB924A546AC731CF9BF6989B996E7D6BFBBA7", "644DEF38DA35007275878D216855E228",
       bytes_of("30 bytes bytes bytes bytes byt"),
       "0E44680985855F2D1F1812529CA83BFD8E349DE6FD9ADA0BAAA048D68E265FEBF34AD1255A344999AD37146887A6C6845731AC7F46376A"
       "0504CD06571474"},
  };
  for (const auto& row : table) {
    CAPTURE(row.type, row.sealed);
    const EncryptionType& type = type_of(row.type);
    const Bytes base = hex(row.base);
    auto sealing = must(SealingKey::derive(type, base, row.usage));
    auto opening = must(OpeningKey::derive(type, base, row.usage));
    for (int round = 0; round < 2; ++round) {
      CHECK(sealed(sealing, hex(row.confounder), row.plain, {}, type.mac_size) == hex(row.sealed));
      const auto plain = opened(opening, hex(row.sealed), type.mac_size);
      CHECK(plain.opened == Opened::whole);
      CHECK(plain.body == row.plain);
    }
  }
}

TEST_CASE("ciphertexts of AES with SHA-1") {
  const struct {
    int type;
    unsigned usage;
    const char* base;
    std::string_view plain;
    const char* sealed;
  } table[] = {
      {17, 0, "5A5C0F0BA54F3828B2195E66CA24A289", "", "49FF8E11C173D9583A3254FBE7B1F1DF36C538E8416784A1672E6676"},
      {17, 1, "98450E3F3BAA13F5C99BEB936981B06F", "1", "F86742F537B35DC2174A4DBAA920FAF9042090B065E1EBB1CAD9A65394"},
      {17, 2, "9062430C8CDA3388922E6D6A509F5B7A", "9 bytesss",
       "68FB9679601F45C78857B2BF820FD6E53ECA8D42FD4B1D7024A09205ABB7CD2EC26C355D2F"},
      {17, 4, "DCEEB70B3DE76562E689226C76429148", "30 bytes bytes bytes bytes byt",
       "C96081032D5D8EEB7E32B4089F789D0FAA481DEA74C0F97CBF3146DDFCF8E800156ECB532FC203E30FF600B63B350939FECE510F02D7FF"
       "1E7BAC"},
      {18, 0, "17F275F2954F2ED1F90C377BA7F4D6A369AA0136E0BF0C927AD6133C693759A9", "",
       "E5094C55EE7B38262E2B044280B069379A95BF95BD8376FB3281B435"},
      {18, 1, "B9477E1FF0329C0050E20CE6C72D2DFF27E8FE541AB0954429A9CB5B4F7B1E2A", "1",
       "406150B97AEB76D43B36B62CC1ECDFBE6F40E95755E0BEB5C27825F3A4"},
      {18, 4, "F1C795E9248A09338D82C3F8D5B567040B0110736845041347235B1404231398", "30 bytes bytes bytes bytes byt",
       "D1137A4D634CFECE924DBC3BF6790648BD5CFF7DE0E7B99460211D0DAEF3D79A295C688858F3B34B9CBD6EEBAE81DAF6B734D4D498B671"
       "4F1C1D"},
  };
  for (const auto& row : table) {
    CAPTURE(row.type, row.sealed);
    const EncryptionType& type = type_of(row.type);
    auto opening = must(OpeningKey::derive(type, hex(row.base), row.usage));
    const auto plain = opened(opening, hex(row.sealed), type.mac_size);
    CHECK(plain.opened == Opened::whole);
    CHECK(plain.body == bytes_of(row.plain));
  }
}

TEST_CASE("HMAC with each digest, and what it refuses") {
  // RFC 2202 and RFC 4231, second test case.
  const struct {
    const char* digest;
    const char* mac;
  } table[] = {
      {"SHA1", "EFFCDF6AE5EB2FA2D27416D5F184DF9C259A7C79"},
      {"SHA256", "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843"},
      {"SHA384", "AF45D2E376484031617F78D2B58A6B1B9C7EF464F5A01B47E42EC3736322445E8E2240CA5E69E2C78B3239ECFAB21649"}};
  for (const auto& row : table) {
    CAPTURE(row.digest);
    auto hmac = must(Hmac::create(row.digest, "Jefe"));
    auto moved = std::move(hmac);
    Bytes mac(hex(row.mac).size());
    for (int round = 0; round < 2; ++round) {
      REQUIRE(moved.start());
      REQUIRE(moved.update("what do ya want "));
      REQUIRE(moved.update("for nothing?"));
      REQUIRE(moved.finish(mac.data()));
      CHECK(mac == hex(row.mac));
    }
  }
  CHECK(Hmac::create("SHA-nothing", "key").error().domain() == Domain::unavailable);
  CHECK(Hmac::create("SHA1", Bytes(64, 1)));
  CHECK(Hmac::create("SHA1", Bytes(65, 1)).error().domain() == Domain::usage);
}

TEST_CASE("checksums") {
  const Bytes counting = hex("000102030405060708090A0B0C0D0E0F1011121314");
  const struct {
    int type;
    unsigned usage;
    const char* base;
    Bytes message;
    const char* checksum;
  } table[] = {
      {17, 3, "9062430C8CDA3388922E6D6A509F5B7A", bytes_of("eight nine ten eleven twelve thirteen"),
       "01A4B088D45628F6946614E3"},
      {18, 4, "B1AE4CD8462AFF1677053CC9279AAC30B796FB81CE21474DD3DDBCFEA4EC76D7", bytes_of("fourteen"),
       "E08739E3279E2903EC8E3836"},
      {19, 2, "3705D96080C17728A0E800EAB6E0D23C", counting, "D78367186643D67B411CBA9139FC1DEE"},
      {20, 2, "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52", counting,
       "45EE791567EEFCA37F4AC1E0222DE80D43C3BFA06699672A"},
      {25, 7, "1DC46A8D763F4F93742BCBA3387576C3", bytes_of("abcdefghijk"), "1178E6C5C47A8C1AE0C4B9C7D4EB7B6B"},
      {25, 8, "5027BC231D0F3A9D23333F1CA6FDBE7C", bytes_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
       "D1B34F7004A731F23A0C00BF6C3F753A"},
      {26, 9, "B61C86CC4E5D2757545AD423399FB7031ECAB913CBB900BD7A3C6DD8BF92015B", bytes_of("123456789"),
       "87A12CFD2B96214810F01C826E7744B1"},
      {26, 10, "32164C5B434D1D1538E4CFD9BE8040FE8C4AC7ACC4B93D3314D2133668147A05",
       bytes_of("!@#$%^&*()!@#$%^&*()!@#$%^&*()"), "3FA0B42355E52B189187294AA252AB64"},
  };
  for (const auto& row : table) {
    CAPTURE(row.type, row.checksum);
    const EncryptionType& type = type_of(row.type);
    auto checksum = must(Checksum::create(type, must(derive_key(type, hex(row.base), row.usage, Purpose::checksum))));
    REQUIRE(checksum.size() == hex(row.checksum).size());
    for (int round = 0; round < 2; ++round) {
      Bytes actual(checksum.size());
      REQUIRE(checksum.start());
      REQUIRE(checksum.update(ByteView{row.message}.subview(0, 5)));
      REQUIRE(checksum.update(ByteView{row.message}.subview(5)));
      REQUIRE(checksum.finish(actual.data()));
      CHECK(actual == hex(row.checksum));
    }
    Bytes expected = hex(row.checksum);
    REQUIRE(checksum.start());
    REQUIRE(checksum.update(row.message));
    CHECK(checksum.verify(expected.data()) == rfc3961::Opened::whole);
    expected.back() ^= 1;
    REQUIRE(checksum.start());
    REQUIRE(checksum.update(row.message));
    CHECK(checksum.verify(expected.data()) == rfc3961::Opened::forged);
  }
}

TEST_CASE("any size, in place and apart, turned by any count, whole or forged; and no allocation but an HMAC's two") {
  const int number = GENERATE(17, 18, 19, 20, 25, 26);
  CAPTURE(number);
  const EncryptionType& type = type_of(number);
  const Bytes base(type.key_size, 0x5a);
  auto sealing = must(SealingKey::derive(type, base, 24));
  auto opening = must(OpeningKey::derive(type, base, 24));
  const Bytes confounder = hex("A7A4E29A4728CE10664FB64E49AD3FAC");
  const Bytes trailer = hex("00112233445566778899AABBCCDDEEFF");
  Bytes message(20000);
  for (std::size_t at = 0; at < message.size(); ++at) message[at] = static_cast<unsigned char>(at * 7 + at / 256);
  const auto allocates_little = [&](auto work) {
    const long before = support::heap::allocations;
    work();
    return support::heap::allocations - before <= (type.digest != nullptr ? 2 : 0);
  };
  for (std::size_t size = 0; size < message.size(); size += size < 600 ? 1 : 977) {
    CAPTURE(size);
    const ByteView body = ByteView{message}.subview(0, size);
    Bytes apart(32 + size + type.mac_size);
    Bytes in_place = apart;
    if (size != 0) std::memcpy(in_place.data() + 16, body.data(), size);
    bool is_sealed = false;
    CHECK(allocates_little([&] { is_sealed = sealing.seal(confounder.data(), body, trailer, apart.data()); }));
    REQUIRE(is_sealed);
    REQUIRE(sealing.seal(confounder.data(), {in_place.data() + 16, size}, trailer, in_place.data()));
    REQUIRE(apart == in_place);

    Bytes plain(size);
    Bytes end(16);
    Opened opened = Opened::failed;
    CHECK(allocates_little([&] { opened = opening.open(RotatedView{apart, 0}, plain.data(), size, end.data()); }));
    CHECK(opened == Opened::whole);
    CHECK((ByteView{plain} == body && end == trailer));
    CHECK(opening.open(RotatedView{in_place, 0}, in_place.data() + 16, size, end.data()) == Opened::whole);
    CHECK((ByteView{in_place}.subview(16, size) == body && end == trailer));

    const std::size_t step = size < 64 ? 1 : size / 3 + 1;
    for (std::size_t turn = 0; turn < apart.size() + 3; turn += step) {
      CAPTURE(turn);
      Bytes turned = apart;
      std::rotate(turned.begin(), turned.end() - static_cast<long>(turn % turned.size()), turned.end());
      CHECK(opening.open(RotatedView{turned, turn}, plain.data(), size, end.data()) == Opened::whole);
      CHECK((ByteView{plain} == body && end == trailer));
    }
    Bytes forged = apart;
    forged[size % forged.size()] ^= 0x10;
    CHECK(opening.open(RotatedView{forged, 0}, plain.data(), size, end.data()) == Opened::forged);
    if (!type.encrypts_first()) CHECK(plain == Bytes(size));  // decrypted, and wiped
    CHECK(opening.open(RotatedView{apart, 0}, plain.data(), size, end.data()) == Opened::whole);
  }
}
