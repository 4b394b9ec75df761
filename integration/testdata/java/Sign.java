import java.security.*;
import java.util.Collections;
import java.util.HexFormat;

/** Sign CONFIGURATION MESSAGE: prints the signature of the authentication key of a PKCS#11 token; no PIN is given. */
public class Sign {
	public static void main(String[] args) throws Exception {
		Provider provider = Security.getProvider("SunPKCS11").configure(args[0]);
		KeyStore keys = KeyStore.getInstance("PKCS11", provider);
		keys.load(null, null);
		for (String alias : Collections.list(keys.aliases())) {
			if (keys.getKey(alias, null) instanceof PrivateKey key
				&& alias.equals("Certificate for PIV Authentication")) {
				Signature signature = Signature.getInstance("SHA256withRSA", provider);
				signature.initSign(key);
				signature.update(args[1].getBytes());
				System.out.println(HexFormat.of().formatHex(signature.sign()));
				return;
			}
		}
		throw new Exception("no key of that name in " + Collections.list(keys.aliases()));
	}
}
