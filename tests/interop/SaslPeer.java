// tests/interop/SaslPeer SERVICE: OpenJDK's ends of SASL exchanges, told on stdin what to do as sasl_peer.cpp is.
// SPDX-License-Identifier: MIT
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.security.sasl.AuthorizeCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;

public class SaslPeer {
  static SaslClient client;
  static SaslServer server;
  static boolean hasBegun;
  static String service;

  /** Whoever has authenticated may be who they are. */
  static final CallbackHandler handler = (Callback[] callbacks) -> {
    for (Callback callback : callbacks) {
      AuthorizeCallback asked = (AuthorizeCallback) callback;
      asked.setAuthorized(asked.getAuthenticationID().equals(asked.getAuthorizationID()));
    }
  };

  /** As Kafka has it: the properties are those by default, and a client says who it is. */
  static void begin(String role, String mechanism, String strength, boolean isKafka) throws SaslException {
    Map<String, String> properties = new HashMap<>();
    if (!isKafka) {
      properties.put(Sasl.QOP, strength.equals("0") ? "auth" : strength.equals("1") ? "auth-int" : "auth-conf");
      properties.put(Sasl.MAX_BUFFER, "2048");
    }
    client = null;
    server = null;
    hasBegun = false;
    if (role.equals("client")) {
      String authzid = isKafka ? "alice@GSSKEY.TEST" : null;
      client = Sasl.createSaslClient(new String[] {mechanism}, authzid, service, "localhost", properties, handler);
      if (client == null) throw new SaslException("no such mechanism");
    } else {
      server = Sasl.createSaslServer(mechanism, service, "localhost", properties, handler);
      if (server == null) throw new SaslException("no such mechanism");
    }
  }

  static byte[] step(byte[] said) throws SaslException {
    boolean isFirst = !hasBegun;
    hasBegun = true;
    if (server != null) return server.evaluateResponse(said == null ? new byte[0] : said);
    if (isFirst && !client.hasInitialResponse()) return null;
    return client.evaluateChallenge(said == null ? new byte[0] : said);
  }

  static boolean isComplete() { return client != null ? client.isComplete() : server.isComplete(); }

  static Object property(String name) {
    return client != null ? client.getNegotiatedProperty(name) : server.getNegotiatedProperty(name);
  }

  static String session() {
    String qop = (String) property(Sasl.QOP);
    String strength = "auth".equals(qop) ? "0" : "auth-int".equals(qop) ? "1" : "256"; // it does not say more
    return "session " + strength + " " + (client != null ? "-" : server.getAuthorizationID());
  }

  /** In packets, each a token behind its length. */
  static byte[] seal(byte[] bytes) throws SaslException {
    ByteBuffer packets = ByteBuffer.allocate(65536);
    int most = Integer.parseInt((String) property(Sasl.RAW_SEND_SIZE));
    for (int at = 0; at < bytes.length; at += most) {
      int size = Math.min(most, bytes.length - at);
      byte[] token = client != null ? client.wrap(bytes, at, size) : server.wrap(bytes, at, size);
      packets.putInt(token.length).put(token);
    }
    return Arrays.copyOf(packets.array(), packets.position());
  }

  static byte[] open(byte[] bytes) throws SaslException {
    ByteBuffer message = ByteBuffer.allocate(65536);
    for (ByteBuffer packets = ByteBuffer.wrap(bytes); packets.hasRemaining();) {
      byte[] token = new byte[packets.getInt()];
      packets.get(token);
      message.put(client != null ? client.unwrap(token, 0, token.length) : server.unwrap(token, 0, token.length));
    }
    return Arrays.copyOf(message.array(), message.position());
  }

  static String inBase64(byte[] bytes) {
    return bytes == null ? "-" : bytes.length == 0 ? "=" : Base64.getEncoder().encodeToString(bytes);
  }

  static String obey(String[] words) throws SaslException {
    if (words[0].equals("client") || words[0].equals("server")) {
      begin(words[0], words[1], words[2], words[3].equals("kafka"));
      return "ready";
    }
    if (words[0].equals("session")) return session();
    if (words[0].equals("bindings")) return "ready"; // no mechanism of its takes them
    byte[] bytes = words[1].equals("-") ? null : Base64.getDecoder().decode(words[1].equals("=") ? "" : words[1]);
    if (words[0].equals("seal")) return "bytes " + inBase64(seal(bytes));
    if (words[0].equals("open")) return "bytes " + inBase64(open(bytes));
    byte[] answer = step(bytes);
    return (isComplete() ? "done " : "more ") + inBase64(answer);
  }

  public static void main(String[] arguments) throws Exception {
    service = arguments[0];
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null;) {
      String answer;
      try {
        answer = obey(line.split(" "));
      } catch (SaslException failure) {
        Throwable cause = failure.getCause() == null ? failure : failure.getCause();
        answer = "failed " + String.valueOf(cause.getMessage()).replace('\n', ' ');
      }
      System.out.println(answer);
    }
  }
}
