import java.util.HexFormat;
import javax.smartcardio.*;

/** Read READER APDU: prints the card's ATR, and data and status word of its response. */
public class Read {
	public static void main(String[] args) throws Exception {
		HexFormat hex = HexFormat.of().withUpperCase();
		CardTerminal reader = TerminalFactory.getDefault().terminals().getTerminal(args[0]);
		Card card = reader.connect("*");
		ResponseAPDU response = card.getBasicChannel().transmit(new CommandAPDU(hex.parseHex(args[1])));
		System.out.printf("%s %s %04X%n", hex.formatHex(card.getATR().getBytes()), hex.formatHex(response.getData()),
			response.getSW());
		card.disconnect(false);
	}
}
